/** The frame of every part of the page. */
import { html, type Html } from "./html.ts";

/** `size`: `half`, `wide` or nothing; how much of a row it takes. */
export function card(title: string, body: Html, size = ""): Html {
  return html`<section class="card ${size}">
    <h2>${title}</h2>
    ${body}
  </section>`;
}
