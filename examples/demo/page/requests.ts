/** The last requests, each with its round trips to the store and its cookie. */
import type { Call, Entry } from "../log.ts";
import { html, type Html } from "./html.ts";
import { time } from "./rings.ts";
import type { LogView, View } from "./view.ts";

export function requestsPanel({ log, host, store }: View): Html {
  return html`<aside class="panel" aria-labelledby="requests">
    <h2 id="requests">Every request, from inside</h2>
    <p class="small">Each load, update and so on is one round trip to the store (${store}).</p>
    <div class="scroll" role="region" aria-label="Requests, the newest first" tabindex="0">
      <ol id="log" data-version="${log.version}" data-session="${log.session}">
        ${requestRows(log)}
      </ol>
    </div>
    <h3>From a terminal</h3>
    <pre tabindex="0" aria-label="Commands to try"><code>curl -i -c cookies ${host}/put
curl -i -b cookies ${host}/get</code></pre>
  </aside>`;
}

/** The list's items: in the page at first, and then on their own, for live.ts. */
export function requestRows(log: LogView): Html {
  return html`${log.entries.map((entry) => row(entry, log))}`;
}

function row(entry: Entry, log: LogView): Html {
  const { number, session, method, path } = entry;
  const own = entry === log.own;
  const marks = [
    session !== undefined && session === log.session ? "yours" : "",
    log.seen > 0 && number > log.seen ? "fresh" : "",
  ];
  return html`<li class="${marks.join(" ").trim()}" data-number="${number}">
    <p class="line">
      <span class="at">${time(entry.at)}</span> <strong>${method} ${path}</strong>
      <span class="status">${own ? "this page" : (entry.status ?? "…")}</span>
    </p>
    <p class="line chips">
      ${trips(entry.calls)} ${cookieChip(entry)}
      ${session === undefined ? undefined : html`<span class="who">${session.slice(0, 6)}</span>`}
    </p>
  </li>`;
}

/** `load ×20` for neighbours of one kind. */
function trips(calls: readonly Call[]): Html {
  const runs: { call: Call; times: number }[] = [];
  for (const call of calls) {
    const last = runs.at(-1);
    if (last?.call === call) last.times++;
    else runs.push({ call, times: 1 });
  }
  if (runs.length === 0) return html`<span class="nothing">no round trip</span>`;
  return html`${runs.map(
    ({ call, times }) =>
      html`<span class="chip ${kinds[call]}">${call}${times > 1 ? ` ×${times}` : ""}</span> `,
  )}`;
}

const kinds: Record<Call, string> = {
  load: "read",
  touch: "read",
  create: "write",
  update: "write",
  destroy: "end",
};

function cookieChip({ cookie }: Entry): Html | undefined {
  if (cookie === "none") return undefined;
  const text = cookie === "set" ? "Set-Cookie" : "Set-Cookie: cleared";
  return html`<span class="chip cookie">${text}</span>`;
}
