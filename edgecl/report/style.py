"""How a report looks: one style sheet inside the page, light or dark as the reader's system is."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #5b636d; --ground: #ffffff; --line: #d6dae0;
  --shade: #f3f5f7; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --faint: #a2a9b3; --ground: #14171a; --line: #3a4048; --shade: #1e2226; --bad: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 82rem; padding: 1.5rem 1rem 4rem; color: var(--ink); background: var(--ground);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; border-bottom: 1px solid var(--line); padding-bottom: 0.25rem; }
h3 { font-size: 1rem; margin: 0 0 0.5rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.5rem 1.5rem; margin: 0; }
dt { color: var(--faint); font-size: 0.85rem; }
dd { margin: 0; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: 0.35rem; }
caption span { display: block; position: sticky; left: 0; width: min(100%, calc(100vw - 2rem)); }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  white-space: nowrap; overflow-wrap: normal; }
thead th { background: var(--shade); vertical-align: bottom; white-space: normal; min-width: 3.5rem; }
th:first-child { text-align: left; min-width: 9rem; max-width: min(26rem, 60vw); white-space: normal;
  overflow-wrap: anywhere; position: sticky; left: 0; background: var(--ground); }
thead th:first-child { background: var(--shade); }
tbody th { font-weight: 600; }
.scroll + .scroll { margin-top: 1.5rem; }
.notes { color: var(--faint); font-size: 0.9rem; padding-left: 1.2rem; margin: 0.75rem 0 0; }
.alarm { color: var(--bad); font-weight: 600; }
.figures { display: flex; flex-wrap: wrap; gap: 2rem 1.5rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; min-width: 0; }
figcaption { color: var(--faint); font-size: 0.9rem; margin-top: 0.5rem; max-width: 34rem; }
.card { background: #ffffff; border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.5rem;
  width: fit-content; }
.card img { display: block; max-width: 100%; height: auto; }
.tree, .tree ul { list-style: none; margin: 0; padding-left: 1.1rem; }
.tree { padding-left: 0; }
.tree li { padding: 0.1rem 0; }
.tree li li { border-left: 2px solid var(--line); padding-left: 0.6rem; }
.tree .gain { color: var(--faint); font-size: 0.9rem; }
.trees { align-items: start; display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
details { margin: 0.5rem 0; }
summary { cursor: pointer; font-weight: 600; }
"""
