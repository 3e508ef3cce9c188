/** The style of the page about a training run, for light and dark screens. */
export const TRAINING_PAGE_STYLE = `
:root { color-scheme: light dark; --fg: #1c1c1c; --bg: #ffffff; --soft: #6b6b6b; --line: #dddddd; --up: #00734f; --down: #b84a00; --card: #f7f7f5; }
@media (prefers-color-scheme: dark) { :root { --fg: #e8e8e8; --bg: #161616; --soft: #a0a0a0; --line: #3a3a3a; --up: #4cc79b; --down: #f0925a; --card: #202020; } }
body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 26px; margin: 8px 0; } h2 { font-size: 20px; margin: 36px 0 8px; } h3 { font-size: 15px; margin: 20px 0 6px; } h4 { font-size: 14px; margin: 0; }
p { margin: 6px 0; max-width: 80ch; } .note { color: var(--soft); font-size: 13.5px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; }
td, th { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.num { text-align: right; white-space: nowrap; } .interval { color: var(--soft); font-size: 12.5px; white-space: nowrap; padding-right: 22px; }
.main td { font-weight: 700; } .up { color: var(--up); } .down { color: var(--down); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 12px; }
.chart { width: 100%; height: auto; background: var(--card); border-radius: 6px; }
.sample { background: var(--card); border-radius: 6px; padding: 10px 14px; margin: 12px 0; } .sample h3 { margin-top: 0; }
.sample img { max-width: 100%; height: auto; image-rendering: auto; border-radius: 3px; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 8px 28px; align-items: start; }
.question { font-weight: 500; } .thinking, .tokens, code, pre { font: 12.5px/1.55 ui-monospace, monospace; }
.thinking { color: var(--soft); overflow-wrap: anywhere; } .tokens { white-space: pre-wrap; overflow-wrap: anywhere; } .tokens span { border-radius: 2px; }
pre { background: var(--card); padding: 8px 10px; border-radius: 4px; overflow-x: auto; margin: 4px 0 10px; }
.plain td { font-size: 13px; } .heat td { padding-right: 14px; }
`;
