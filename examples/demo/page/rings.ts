/** Both timeouts as rings that empty; countdown.ts moves them. */
import { clock } from "./countdown.ts";
import { html, type Html } from "./html.ts";
import type { SessionView, View } from "./view.ts";

export function rings(view: View, session: SessionView): Html {
  const now = Date.now();
  const left = session.deadline.getTime() - now;
  return html`<section class="times" aria-labelledby="times">
    <h2 id="times" class="hidden">When it ends</h2>
    <div class="rings">
      ${ring("idle", "Idle", Math.min(view.idleTimeout, left), view.idleTimeout)}
      ${ring("absolute", "Absolute", left, view.lifetime)}
    </div>
    <p class="over-note" role="status">
      <span hidden>This session has ended. <a href="/">Look again</a>.</span>
    </p>
    <dl class="small">
      <div>
        <dt>Began</dt>
        <dd>${time(session.createdAt)}</dd>
      </div>
      <div>
        <dt>Ends at the latest</dt>
        <dd>${time(session.deadline)}</dd>
      </div>
    </dl>
    <noscript><p class="dim small">As of ${time(new Date(now))}; reload for newer.</p></noscript>
  </section>`;
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
      <span class="clock" role="timer" aria-label="${label} time left">${clock(left)}</span>
      <span class="dim small">of ${words(total)}</span>
    </p>
  </div>`;
}

/** `10 min`, `90 s`. */
function words(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** In the server's time zone; the script shows the reader's. */
export function time(at: Date): Html {
  return html`<time datetime="${at.toISOString()}">${at.toLocaleTimeString("en-GB")}</time>`;
}
