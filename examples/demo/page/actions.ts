/** What can be done to a session: one card, one form, and the line that the server runs. */
import { card } from "./card.ts";
import { html, verbatim, type Html } from "./html.ts";
import type { Problem, View } from "./view.ts";

/** How many tabs race: routes.ts loads the session as often. */
export const tabs = 20;

export function actions(view: View): Html {
  if (view.session === undefined) return html`${messageCard(view)} ${loginCard(view)}`;
  return html`${messageCard(view)} ${loginCard(view)} ${flashCard()}
  ${view.keepsAll ? raceCard() : undefined} ${endCard(view)}`;
}

function messageCard(view: View): Html {
  return card(
    "Keep a message",
    html`<form method="post" action="/message">
      ${input(view, "message", "Message", 200, "off")}
      <button>Keep it</button>
      <p class="code">session.set("message", text)</p>
    </form>`,
    view.session === undefined ? "half" : "",
  );
}

function loginCard(view: View): Html {
  return card(
    view.session?.user === undefined ? "Log in" : "Log in again",
    html`<form method="post" action="/login">
      ${input(view, "name", "Name (any will do)", 40, "nickname")}
      <button>Log in</button>
      <p class="code">session.renewToken()</p>
    </form>`,
    view.session === undefined ? "half" : "",
  );
}

function flashCard(): Html {
  return card(
    "Flash",
    html`<p>For the next page and that page only.</p>
      <form method="post" action="/flash">
        <button>Leave a flash</button>
        <p class="code">session.pop("flash")</p>
      </form>`,
  );
}

function raceCard(): Html {
  return card(
    "Race",
    html`<p>
        ${tabs} tabs read the counter, and only then each adds one. Where the last write wins, one
        of them counts.
      </p>
      <form method="post" action="/race">
        <button>Race ${tabs} tabs</button>
        <p class="code">session.update("counter", (n) =&gt; (n ?? 0) + 1)</p>
      </form>`,
    "wide",
  );
}

function endCard(view: View): Html {
  const label = view.session?.user === undefined ? "End the session" : "Log out";
  return card(
    label,
    html`<p>Nothing that comes later brings it back.</p>
      <form method="post" action="/logout">
        <button class="quiet">${label} now</button>
        <p class="code">session.destroy()</p>
      </form>`,
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
