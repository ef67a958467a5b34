/** A fingerprint as colours: two that differ are seen to differ from the last row of a hall. */
import { html, type Html } from "./html.ts";

export function swatch(fingerprint: string): Html {
  const bars = Array.from(fingerprint, (digit, index) => {
    const hue = Math.round(Number.parseInt(digit, 16) * 22.5);
    // Every second one lighter, so that neighbours of one hue stay apart.
    const light = index % 2 === 0 ? 48 : 62;
    return html`<rect x="${index * 10}" width="10" height="20" fill="hsl(${hue} 68% ${light}%)" />`;
  });
  return html`<span class="token"
    ><svg class="swatch" viewBox="0 0 80 20" aria-hidden="true">${bars}</svg>
    <code>${fingerprint}</code></span
  >`;
}
