/** The ring: in the head of the page, and as the icon of the tab. */
import { verbatim, type Html } from "./html.ts";

export const mark: Html = verbatim(
  `<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><circle class="track" cx="16" cy="16" r="12"/><circle class="arc" cx="16" cy="16" r="12" pathLength="100" stroke-dasharray="70 100"/></svg>`,
);

/** For a data URL. */
export const icon: string = encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-width="6"><circle cx="16" cy="16" r="12" stroke="#0b6b6044"/><circle cx="16" cy="16" r="12" stroke="#0f8a7b" stroke-linecap="round" pathLength="100" stroke-dasharray="70 100" transform="rotate(-90 16 16)"/></svg>`,
);
