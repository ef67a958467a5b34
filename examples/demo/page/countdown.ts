/** The countdown: the server renders its start, a small script in the page moves it. */

/** `59:59`, or `1:00:00` from an hour on; never below zero. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, "0");
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return seconds < 3600 ? rest : `${Math.floor(seconds / 3600)}:${rest}`;
}

/**
 * The script of the page, with the very `clock` above. When a time is up it says so, and does not
 * reload by itself: against a session that lives a moment longer that would count as use, for ever.
 */
export const script: string = `(() => {
  ${clock.toString()}
  const loaded = Date.now();
  const rings = [...document.querySelectorAll(".ring")].map((ring) => ({
    ring,
    left: Number(ring.dataset.left),
    total: Number(ring.dataset.total),
    clock: ring.querySelector(".clock"),
    arc: ring.querySelector(".arc"),
  }));
  const tick = () => {
    const past = Date.now() - loaded;
    let over = false;
    for (const it of rings) {
      const left = Math.max(0, it.left - past);
      over ||= left === 0;
      it.clock.textContent = clock(left);
      it.arc.setAttribute("stroke-dasharray", (100 * left) / it.total + " 100");
    }
    for (const it of rings) it.ring.classList.toggle("over", over);
    if (over) document.querySelector(".over-note span").hidden = false;
    else setTimeout(tick, 1000 - (past % 1000));
  };
  if (rings.length > 0) tick();
})()`;
