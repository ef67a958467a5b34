/** The list of requests: a dark instrument beside the page, in both themes. */
export const panelStyle: string = `
.panel {
  --p-ink: #e9edf1; --p-dim: #9aa5b1; --p-line: #262e37;
  color-scheme: dark; position: sticky; top: 1.25rem; max-height: calc(100vh - 6.25rem); min-height: 32rem;
  display: flex; flex-direction: column;
  background: #12171d; color: var(--p-ink); border: 1px solid #222a33; border-radius: 18px; padding: 1.25rem 1.35rem 1.1rem;
  box-shadow: 0 18px 50px -24px #0009;
}
.panel h2 { margin-bottom: .35rem; }
.panel h3 { font-size: .8rem; font-weight: 600; color: var(--p-dim); padding-top: .9rem; border-top: 1px solid var(--p-line); }
.panel > .small { color: var(--p-dim); margin-bottom: .75rem; }
.panel h3, .panel pre { flex: none; }
.panel pre { font-size: .8rem; line-height: 1.75; overflow-x: auto; }
.panel :focus-visible { outline-color: #4fd1bd; }
.scroll { flex: 1; min-height: 0; overflow-y: auto; margin: 0 -1.35rem; padding: 0 1.35rem; scrollbar-color: #36414d transparent; }
#log li { position: relative; padding: .6rem 0 .65rem 1.1rem; border-top: 1px solid var(--p-line); }
#log li::before { content: ""; position: absolute; left: 0; top: .7rem; bottom: .75rem; width: 3px; border-radius: 3px; background: #36414d; }
#log .yours::before { background: #4fd1bd; }
.line { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem .5rem; font-size: .9rem; }
.line strong { font-family: var(--mono); font-weight: 600; font-size: .88rem; overflow-wrap: anywhere; min-width: 0; }
.at { font-variant-numeric: tabular-nums; color: var(--p-dim); font-size: .8rem; }
.status { margin-left: auto; font-family: var(--mono); font-size: .82rem; color: var(--p-dim); }
.chips { margin-top: .35rem; font-size: .78rem; min-height: 1.4rem; }
.chip { font-family: var(--mono); font-size: .76rem; line-height: 1; padding: .28rem .5rem .3rem; border-radius: 6px; white-space: nowrap; }
.read { background: #15344f; color: #a3d3ff; }
.write { background: #4a3108; color: #ffd08a; }
.end { background: #521c1c; color: #ffb8b0; }
.cookie { background: #0d4239; color: #8ff0dd; }
.nothing { color: var(--p-dim); }
.who { margin-left: auto; color: var(--p-dim); font-family: var(--mono); font-size: .74rem; }
.yours .who { color: #4fd1bd; }
@media (prefers-reduced-motion: no-preference) {
  #log .fresh { animation: come .5s ease-out; }
  @keyframes come { from { opacity: 0; transform: translateY(-.5rem); background: #4fd1bd22; } }
}
@media (max-width: 56rem) {
  .panel { position: static; max-height: none; min-height: 0; }
  .scroll { overflow: visible; }
}
`;
