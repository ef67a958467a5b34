/** The style sheet of the page: light and dark, phone to projector, no other file. */
import { panelStyle } from "./panel-style.ts";

const base = `
:root {
  --ground: #f6f4ee; --card: #fffefb; --ink: #17171c; --dim: #5b5a63; --line: #e2dfd4;
  --accent: #0a6a5f; --on-accent: #ffffff; --warm: #b5520a; --track: #e9e6dc; --bad: #b3261e;
  --glow: #0a6a5f14;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", "JetBrains Mono", Menlo, Consolas, monospace;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0c0f12; --card: #14181c; --ink: #eef0f2; --dim: #a3abb3; --line: #272d34;
    --accent: #4fd1bd; --on-accent: #06211d; --warm: #f4a259; --track: #232a30; --bad: #ff8a80;
    --glow: #4fd1bd12;
  }
}
* { box-sizing: border-box; margin: 0; }
html { -webkit-text-size-adjust: 100%; }
body {
  background: radial-gradient(60rem 30rem at 20% -8rem, var(--glow), transparent) no-repeat var(--ground);
  color: var(--ink); min-height: 100vh;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  max-width: 88rem; margin-inline: auto; padding: 1.25rem clamp(1rem, 3vw, 2.5rem) 2.5rem;
}
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: 6px; }
h2 { font-size: 1.05rem; font-weight: 650; letter-spacing: -.01em; margin-bottom: .9rem; }
ol { list-style: none; padding: 0; }
code, pre, .code { font-family: var(--mono); }
.dim { color: var(--dim); }
.small { font-size: .875rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.code { margin-top: .6rem; font-size: .8rem; color: var(--dim); overflow-wrap: anywhere; }

header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; margin-bottom: 1.5rem; }
.mark { white-space: nowrap; display: inline-flex; align-items: center; gap: .6rem; font-weight: 650; font-size: 1.1rem; color: inherit; text-decoration: none; }
.engine { font-size: .875rem; padding: .25rem .8rem; border: 1px solid var(--line); border-radius: 99px; white-space: nowrap; }
main { display: grid; grid-template-columns: minmax(0, 1fr) clamp(21rem, 34%, 27rem); gap: clamp(1.25rem, 2.5vw, 2.5rem); align-items: start; }

.hero { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 1.25rem 2.5rem; align-items: center; padding: 1rem 0 2rem; }
.flash { grid-column: 1 / -1; display: flex; gap: .75rem; padding: .8rem 1.1rem; border-radius: 12px; font-weight: 550;
  border: 1px solid var(--accent); background: color-mix(in srgb, var(--accent) 11%, var(--ground)); overflow-wrap: anywhere; }
.flash::before { content: ""; flex: none; width: .6rem; height: .6rem; border-radius: 50%; background: var(--accent); margin-top: .45rem; }
h1 { font-size: clamp(2.25rem, 4.6vw, 3.9rem); line-height: 1.05; letter-spacing: -.035em; font-weight: 720; text-wrap: balance; overflow-wrap: anywhere; }
.long { font-size: clamp(1.9rem, 3.2vw, 2.6rem); }
.lead { font-size: clamp(1.1rem, 2vw, 1.25rem); color: var(--dim); margin-top: .8rem; text-wrap: pretty; }
.lead strong { color: var(--ink); white-space: nowrap; }
.begin { margin-top: 1.5rem; max-width: 17rem; }
.begin button { font-size: 1.1rem; min-height: 3.25rem; }
.steps { width: 19rem; counter-reset: step; display: grid; gap: 1rem; }
.steps li { position: relative; padding-left: 3rem; color: var(--dim); font-size: .95rem; }
.steps li::before { counter-increment: step; content: counter(step); position: absolute; left: 0; top: .1rem; width: 2rem; height: 2rem;
  display: grid; place-items: center; border: 2px solid var(--accent); border-radius: 50%; color: var(--accent); font-weight: 650; }
.steps strong { color: var(--ink); }

.times { width: 21rem; }
.rings { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; margin-bottom: .8rem; }
.ring { position: relative; }
.ring svg { display: block; width: 100%; }
circle { fill: none; stroke-width: 6; }
.track { stroke: var(--track); }
.arc { stroke: var(--accent); stroke-linecap: round; transform: rotate(-90deg); transform-origin: center; }
.idle .arc { stroke: var(--warm); }
.ring p { position: absolute; inset: 0; display: flex; flex-direction: column; align-items: center; justify-content: center; line-height: 1.3; }
.label { font-size: .875rem; font-weight: 600; color: var(--accent); }
.idle .label { color: var(--warm); }
.clock { font-size: 1.65rem; font-weight: 650; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.over .clock { color: var(--bad); text-decoration: line-through; }
.over-note span { display: block; color: var(--bad); font-weight: 550; margin-bottom: .6rem; }
.over-note span[hidden] { display: none; }

.grid { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 1rem; }
.card { grid-column: span 2; background: var(--card); border: 1px solid var(--line); border-radius: 18px; padding: 1.25rem 1.35rem 1.35rem; display: flex; flex-direction: column; }
.card form { flex: 1; display: flex; flex-direction: column; }
.card button { margin-top: auto; }
.card .code { font-size: .72rem; }
.card p + form { margin-top: 1rem; }
.half { grid-column: span 3; }
.wide { grid-column: span 4; }
.foot { margin-top: 1.25rem; }

dl div { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; padding: .45rem 0; border-bottom: 1px solid var(--line); }
dl + p, table + p { margin-top: .9rem; }
dl .tokens { align-items: center; }
dt { color: var(--dim); font-size: .9rem; white-space: nowrap; }
dd { font-variant-numeric: tabular-nums; font-weight: 550; text-align: right; overflow-wrap: anywhere; min-width: 0; }
dd code { font-size: .85rem; font-weight: 500; }
.token { display: inline-flex; align-items: center; gap: .6rem; }
.swatch { width: 7.5rem; height: 1.35rem; border-radius: 5px; }
.dead .token { opacity: .62; }
.dead code { text-decoration: line-through; }
table { width: 100%; border-collapse: collapse; }
tbody th, td { text-align: left; vertical-align: baseline; padding: .45rem 0; border-bottom: 1px solid var(--line); font-size: .95rem; }
tbody th { font-weight: 550; padding-right: 1.25rem; white-space: nowrap; color: var(--dim); }
td { font-family: var(--mono); width: 100%; overflow-wrap: anywhere; }

label { display: block; font-weight: 550; font-size: .9rem; margin-bottom: .35rem; }
input, button { font: inherit; color: inherit; border-radius: 10px; min-height: 2.75rem; width: 100%; }
input { background: var(--ground); border: 1px solid var(--dim); padding: 0 .8rem; margin-bottom: .75rem; }
input[aria-invalid] { border: 2px solid var(--bad); }
.problem { color: var(--bad); font-size: .9rem; margin: -.25rem 0 .75rem; }
button { background: var(--accent); color: var(--on-accent); border: 1px solid transparent; font-weight: 600; padding: 0 1rem; cursor: pointer; }
button:hover { background: color-mix(in srgb, var(--accent) 86%, var(--ink)); }
button:active { transform: translateY(1px); }
.quiet { background: transparent; color: var(--ink); border-color: var(--dim); }
.quiet:hover { background: var(--track); }
`;

const narrower = `
@media (max-width: 79rem) {
  .who { display: none; }
}
@media (max-width: 72rem) {
  .hero { grid-template-columns: minmax(0, 1fr); }
  .times, .steps { width: 100%; max-width: 24rem; }
  .card { grid-column: span 3; }
  .half, .wide { grid-column: 1 / -1; }
}
@media (max-width: 56rem) {
  main { grid-template-columns: minmax(0, 1fr); }
  .hero { padding-top: .25rem; }
}
@media (max-width: 38rem) {
  .card { grid-column: 1 / -1; padding: 1.1rem 1.15rem 1.2rem; }
  .times { max-width: none; }
}
@media (max-width: 22rem) {
  .engine .dim { display: none; }
}
`;

export const style: string = base + panelStyle + narrower;
