/** The one page of the demo: pure, from a view to HTML. Everything on it works without script. */
import { actions } from "./actions.ts";
import { script as countdown } from "./countdown.ts";
import { html, verbatim, type Html } from "./html.ts";
import { script as live } from "./live.ts";
import { icon, mark } from "./mark.ts";
import { requestsPanel } from "./requests.ts";
import { rings } from "./rings.ts";
import { dataCard, tokenCard } from "./state.ts";
import { style } from "./style.ts";
import type { View } from "./view.ts";

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
          <div class="story">
            ${hero(view)}
            <div class="grid">
              ${session === undefined ? undefined : dataCard(session)}
              ${session === undefined ? undefined : tokenCard(view, session)} ${actions(view)}
            </div>
            <p class="dim small foot">
              Each button is a plain form: POST, then 303 back here. The line under it is what the
              server runs.
            </p>
          </div>
          ${requestsPanel(view)}
        </main>
        <script nonce="${nonce}">
          ${verbatim(countdown)};
          ${verbatim(live)};
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
  return html`<div class="hero">
    ${
      session?.flash === undefined
        ? undefined
        : html`<p class="flash" role="status">${session.flash}</p>`
    }
    <div class="words">
      <h1 class="${heading(view).length > 24 ? "long" : ""}">${heading(view)}.</h1>
      <p class="lead">${lead(view)}</p>
      ${
        session === undefined
          ? begin()
          : html`<p class="code">session.update("visits", (n) =&gt; (n ?? 0) + 1)</p>`
      }
    </div>
    ${session === undefined ? steps() : rings(view, session)}
  </div>`;
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

function begin(): Html {
  return html`<form class="begin" method="post" action="/start">
    <button>Start a session</button>
    <p class="code">session.set("flash", text)</p>
  </form>`;
}

function steps(): Html {
  return html`<ol class="steps">
    <li><strong>A request changes something.</strong> It is recorded, not yet written.</li>
    <li><strong>One write to the store,</strong> before the first byte of the answer leaves.</li>
    <li><strong>One Set-Cookie</strong> with the token. Later changes need none.</li>
  </ol>`;
}
