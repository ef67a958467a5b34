/** The style sheet of the page: light and dark, phone to projector, no file but this one. */
export const style: string = `
:root {
  --ground: #f5f4ef; --card: #fffefb; --ink: #1b1b20; --dim: #5c5b63; --line: #dfdcd2;
  --accent: #0a6a5f; --on-accent: #ffffff; --warm: #b5520a; --track: #e7e4da; --bad: #b3261e;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", "JetBrains Mono", Menlo, Consolas, monospace;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1214; --card: #171b1e; --ink: #eceef0; --dim: #a2a9b0; --line: #2b3137;
    --accent: #4fd1bd; --on-accent: #06211d; --warm: #f4a259; --track: #262c31; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; margin: 0; }
html { -webkit-text-size-adjust: 100%; }
body {
  background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  max-width: 66rem; margin-inline: auto; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 3rem;
}
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: 6px; }
.dim { color: var(--dim); }
.small { font-size: .875rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; }
.mark { white-space: nowrap; display: inline-flex; align-items: center; gap: .6rem; font-weight: 650; font-size: 1.1rem; color: inherit; text-decoration: none; }
.engine { font-size: .875rem; padding: .25rem .8rem; border: 1px solid var(--line); border-radius: 99px; white-space: nowrap; }

.hero { padding: clamp(2rem, 6vw, 4rem) 0 clamp(1.75rem, 4vw, 2.75rem); }
h1 { font-size: clamp(2.25rem, 7vw, 4rem); line-height: 1.08; letter-spacing: -.03em; font-weight: 700; text-wrap: balance; overflow-wrap: anywhere; }
.lead { font-size: clamp(1.1rem, 2.4vw, 1.3rem); color: var(--dim); margin-top: .75rem; max-width: 48rem; text-wrap: balance; }
.lead strong { color: var(--ink); white-space: nowrap; }
.flash { display: flex; gap: .75rem; margin-bottom: 1.75rem; padding: .85rem 1.1rem; border-radius: 12px; font-weight: 550;
  border: 1px solid var(--accent); background: color-mix(in srgb, var(--accent) 11%, var(--ground)); overflow-wrap: anywhere; }
.flash::before { content: ""; flex: none; width: .6rem; height: .6rem; border-radius: 50%; background: var(--accent); margin-top: .45rem; }

.grid { display: grid; grid-template-columns: repeat(6, 1fr); gap: 1.1rem; }
.card { grid-column: span 2; background: var(--card); border: 1px solid var(--line); border-radius: 18px; padding: 1.4rem 1.5rem 1.5rem; min-width: 0; display: flex; flex-direction: column; }
.card form { flex: 1; display: flex; flex-direction: column; }
.card button { margin-top: auto; }
.wide { grid-column: span 3; }
.full { grid-column: 1 / -1; }
h2 { font-size: 1.05rem; font-weight: 650; letter-spacing: -.01em; margin-bottom: 1rem; }
.card p + form { margin-top: 1rem; }

.rings { display: grid; grid-template-columns: 1fr 1fr; gap: 1.25rem; width: 100%; max-width: 24rem; margin-inline: auto; }
.ring { position: relative; }
.ring svg { display: block; width: 100%; }
circle { fill: none; stroke-width: 6; }
.mark circle { stroke-width: 6; }
.track { stroke: var(--track); }
.arc { stroke: var(--accent); stroke-linecap: round; transform: rotate(-90deg); transform-origin: center; }
.idle .arc { stroke: var(--warm); }
.ring p { position: absolute; inset: 0; display: flex; flex-direction: column; align-items: center; justify-content: center; line-height: 1.3; }
.label { font-size: .875rem; font-weight: 600; color: var(--accent); }
.idle .label { color: var(--warm); }
.clock { font-size: clamp(1.35rem, 5.5vw, 1.8rem); font-weight: 650; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.over .clock { color: var(--bad); text-decoration: line-through; }
dl { margin: 1.4rem 0 1rem; }
dl div { display: flex; justify-content: space-between; gap: 1rem; padding: .4rem 0; border-bottom: 1px solid var(--line); }
dt { color: var(--dim); }
dd { font-variant-numeric: tabular-nums; font-weight: 550; }

table { width: 100%; border-collapse: collapse; }
tbody th, td { text-align: left; vertical-align: baseline; padding: .55rem 0; border-bottom: 1px solid var(--line); font-size: .95rem; }
tbody th { font-weight: 550; padding-right: 1.25rem; white-space: nowrap; color: var(--dim); }
td { font-family: var(--mono); width: 100%; overflow-wrap: anywhere; }
.id { margin-top: 1rem; }
code, pre, .code { font-family: var(--mono); }
.id code { overflow-wrap: anywhere; color: var(--ink); }
.card p code { font-size: .875em; }
.code { margin-top: .6rem; font-size: .8rem; color: var(--dim); overflow-wrap: anywhere; }

label { display: block; font-weight: 550; font-size: .9rem; margin-bottom: .35rem; }
input, button { font: inherit; color: inherit; border-radius: 10px; min-height: 2.75rem; width: 100%; }
input { background: var(--ground); border: 1px solid var(--dim); padding: 0 .8rem; margin-bottom: .75rem; }
input[aria-invalid] { border: 2px solid var(--bad); }
.over-note span { display: block; color: var(--bad); font-weight: 550; margin-bottom: .75rem; }
.over-note span[hidden] { display: none; }
.problem { color: var(--bad); font-size: .9rem; margin: -.25rem 0 .75rem; }
button { background: var(--accent); color: var(--on-accent); border: 1px solid transparent; font-weight: 600; padding: 0 1rem; cursor: pointer; }
button:hover { background: color-mix(in srgb, var(--accent) 86%, var(--ink)); }
button:active { transform: translateY(1px); }
.quiet { background: transparent; color: var(--ink); border-color: var(--dim); }
.quiet:hover { background: var(--track); }

pre { overflow-x: auto; font-size: .95rem; line-height: 1.8; }
footer { margin-top: 2rem; color: var(--dim); font-size: .875rem; }

@media (max-width: 56rem) {
  .card { grid-column: span 3; }
  .wide, .tail, .full { grid-column: 1 / -1; }
}
@media (max-width: 38rem) {
  .card { grid-column: 1 / -1; padding: 1.2rem; }
  pre { font-size: .8rem; }
}
@media (max-width: 22rem) {
  .engine .dim { display: none; }
}
`;
