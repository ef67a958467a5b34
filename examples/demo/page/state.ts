/** What the session is: its data, and the two names it has, a secret and a public one. */
import { card } from "./card.ts";
import { html, type Html } from "./html.ts";
import { swatch } from "./swatch.ts";
import type { SessionView, View } from "./view.ts";

export function dataCard(session: SessionView): Html {
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
      <p class="dim small">
        Every key is kept apart: a request that changes one neither decodes nor encodes the others.
      </p>`,
    "half",
  );
}

export function tokenCard(view: View, session: SessionView): Html {
  const { before } = session;
  return card(
    "What opens it",
    html`<dl>
        ${
          before === undefined
            ? undefined
            : html`<div class="tokens dead">
                <dt>Token before</dt>
                <dd>${swatch(before)}</dd>
              </div>`
        }
        <div class="tokens">
          <dt>${before === undefined ? "Token" : "Token now"}</dt>
          <dd>${swatch(session.fingerprint)}</dd>
        </div>
        <div>
          <dt>In the cookie</dt>
          <dd><code>${view.cookie}</code></dd>
        </div>
        <div>
          <dt>Public id</dt>
          <dd><code>${session.id}</code></dd>
        </div>
      </dl>
      <p class="dim small">
        The colours are a fingerprint of the token, which scripts and logs never see. The id is for
        logs: it opens nothing, and stays when the token changes.
      </p>`,
    "half",
  );
}
