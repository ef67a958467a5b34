/** The one page of the demo: pure, from a view to HTML. Everything on it works without script. */
import { html, verbatim, type Html } from "./html.ts";
import { clock, script } from "./countdown.ts";
import { style } from "./style.ts";

/** A form field that was not acceptable. */
export type Problem = "name" | "message";

/** What the page shows of a session. */
export interface SessionView {
  /** The message for this view only. */
  readonly flash: string | undefined;
  readonly user: string | undefined;
  readonly visits: number;
  /** Key and value, the value as JSON. */
  readonly entries: readonly (readonly [string, string])[];
  readonly id: string;
  readonly createdAt: Date;
  readonly deadline: Date;
}

/** All that the page depends on. */
export interface View {
  readonly session: SessionView | undefined;
  /** The engine's name. */
  readonly store: string;
  /** In ms. */
  readonly lifetime: number;
  /** In ms. */
  readonly idleTimeout: number;
  readonly problem: Problem | undefined;
  /** The session was ended by the request before. */
  readonly ended: boolean;
  readonly port: number;
  /** For the Content-Security-Policy. */
  readonly nonce: string;
}

/** A whole document. */
export function renderPage(view: View): string {
  const { session, nonce } = view;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${heading(view)} · scs-session demo</title>
        <link rel="icon" href="data:image/svg+xml,${icon}" />
        <style nonce="${nonce}">
          ${verbatim(style)}
        </style>
      </head>
      <body>
        <header>
          <a class="mark" href="/">${mark}scs-session</a>
          <span class="engine"><span class="dim">sessions in</span> ${view.store}</span>
        </header>
        <main>
          ${hero(view)}
          <div class="grid">
            ${session === undefined ? beginCard() : timesCard(view, session)}
            ${session === undefined ? undefined : contentsCard(session)} ${messageCard(view)}
            ${session === undefined ? undefined : flashCard()} ${personCard(view)}
            ${curlCard(view.port)}
          </div>
        </main>
        <footer>
          Each button is a plain form: POST, then 303 back here. The line under it is what the
          server runs.
        </footer>
        <script nonce="${nonce}">
          ${verbatim(script)};
        </script>
      </body>
    </html>`;
  return page.text;
}

function heading({ session, ended }: View): string {
  if (session === undefined) return ended ? "The session has ended" : "No session yet";
  return session.user === undefined ? "A session, nobody in it" : `Hello, ${session.user}`;
}

function hero(view: View): Html {
  const { session } = view;
  return html`<section class="hero">
    ${
      session?.flash === undefined
        ? undefined
        : html`<p class="flash" role="status">${session.flash}</p>`
    }
    <h1>${heading(view)}.</h1>
    <p class="lead">${lead(view)}</p>
    ${
      session === undefined
        ? undefined
        : html`<p class="code">session.update("visits", (count) =&gt; (count ?? 0) + 1)</p>`
    }
  </section>`;
}

function lead({ session, ended }: View): Html {
  if (session !== undefined) {
    const times = `${session.visits} ${session.visits === 1 ? "time" : "times"}`;
    return html`You have been here <strong>${times}</strong>. <a href="/">Reload</a> to make it
      ${session.visits + 1}.`;
  }
  if (ended) return html`Its token opens nothing any more. Do something, and a new one begins.`;
  return html`Looking at this page does not create one. Do something, and it begins.`;
}

function beginCard(): Html {
  return card(
    "Begin",
    html`<p>A token in a cookie, a record in the engine.</p>
      <form method="post" action="/start">
        <button>Start a session</button>
        <p class="code">session.set("flash", …)</p>
      </form>`,
  );
}

function timesCard(view: View, session: SessionView): Html {
  const now = Date.now();
  const left = session.deadline.getTime() - now;
  return card(
    "When it ends",
    html`<div class="rings">
        ${ring("idle", "Idle", Math.min(view.idleTimeout, left), view.idleTimeout)}
        ${ring("absolute", "Absolute", left, view.lifetime)}
      </div>
      <dl>
        <div>
          <dt>Began</dt>
          <dd>${time(session.createdAt)}</dd>
        </div>
        <div>
          <dt>Ends at the latest</dt>
          <dd>${time(session.deadline)}</dd>
        </div>
      </dl>
      <p class="over-note" role="status">
        <span hidden>This session has ended. <a href="/">Look again</a>.</span>
      </p>
      <p class="dim small">
        Every request starts the idle time again. It is written at most once a minute, so it may end
        up to a minute early.<noscript> As of ${time(new Date(now))}; reload for newer.</noscript>
      </p>`,
    "wide",
  );
}

function ring(kind: string, label: string, left: number, total: number): Html {
  const share = Math.max(0, Math.min(100, (100 * left) / total)).toFixed(2);
  return html`<div class="ring ${kind}" data-left="${Math.round(left)}" data-total="${total}">
    <svg viewBox="0 0 100 100" aria-hidden="true">
      <circle class="track" cx="50" cy="50" r="44" />
      <circle class="arc" cx="50" cy="50" r="44" pathLength="100" stroke-dasharray="${share} 100" />
    </svg>
    <p>
      <span class="label">${label}</span>
      <span class="clock" role="timer">${clock(left)}</span>
      <span class="dim small">of ${total / 60_000} min</span>
    </p>
  </div>`;
}

function contentsCard(session: SessionView): Html {
  const rows = session.entries.map(
    ([key, value]) =>
      html`<tr>
        <th scope="row">${key}</th>
        <td>${value}</td>
      </tr>`,
  );
  return card(
    "What is in it",
    html`<table>
        <thead class="hidden">
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
      <p class="dim small id">
        Public id <code>${session.id}</code><br />For logs: it opens nothing, and stays when the
        token changes.
      </p>
      <form method="post" action="/logout">
        <button class="quiet">${session.user === undefined ? "End the session" : "Log out"}</button>
        <p class="code">session.destroy()</p>
      </form>`,
    "wide",
  );
}

function messageCard(view: View): Html {
  return card(
    "Keep a message",
    html`<form method="post" action="/message">
      ${input(view, "message", "Message", 200, "off")}
      <button>Keep it</button>
      <p class="code">session.set("message", text)</p>
    </form>`,
  );
}

function flashCard(): Html {
  return card(
    "Flash",
    html`<p>For the next page and that page only, which calls <code>session.pop("flash")</code>.</p>
      <form method="post" action="/flash">
        <button>Leave a flash message</button>
        <p class="code">session.set("flash", text)</p>
      </form>`,
  );
}

function personCard(view: View): Html {
  return card(
    view.session?.user === undefined ? "Log in" : "Log in as somebody else",
    html`<form method="post" action="/login">
      ${input(view, "name", "Name (any will do)", 40, "nickname")}
      <button>Log in</button>
      <p class="code">session.renewToken()</p>
    </form>`,
    "tail",
  );
}

function input(view: View, name: Problem, label: string, max: number, autocomplete: string): Html {
  const wrong = view.problem === name;
  const invalid = verbatim(
    wrong ? `aria-invalid="true" aria-describedby="${name}-problem" autofocus` : "",
  );
  return html`<label for="${name}">${label}</label>
    <input
      id="${name}"
      name="${name}"
      required
      maxlength="${max}"
      autocomplete="${autocomplete}"
      ${invalid}
    />
    ${
      wrong
        ? html`<p class="problem" id="${name}-problem">Between 1 and ${max} characters, please.</p>`
        : undefined
    }`;
}

function curlCard(port: number): Html {
  return card(
    "From a terminal",
    html`<pre
      tabindex="0"
      aria-label="Commands to try"
    ><code>curl -i -c cookies localhost:${port}/put
curl -i -b cookies localhost:${port}/get</code></pre>`,
    "full",
  );
}

function card(title: string, body: Html, size = ""): Html {
  return html`<section class="card ${size}">
    <h2>${title}</h2>
    ${body}
  </section>`;
}

/** In the server's time zone; the script shows the reader's. */
function time(at: Date): Html {
  return html`<time datetime="${at.toISOString()}">${at.toLocaleTimeString("en-GB")}</time>`;
}

const mark = verbatim(
  `<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><circle class="track" cx="16" cy="16" r="12"/><circle class="arc" cx="16" cy="16" r="12" pathLength="100" stroke-dasharray="70 100"/></svg>`,
);

const icon = encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-width="6"><circle cx="16" cy="16" r="12" stroke="#0b6b6044"/><circle cx="16" cy="16" r="12" stroke="#0f8a7b" stroke-linecap="round" pathLength="100" stroke-dasharray="70 100" transform="rotate(-90 16 16)"/></svg>`,
);
