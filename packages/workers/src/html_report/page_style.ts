/**
 * How a report looks: light and dark by what the reader's system wants; colours of series after Okabe and Ito, which colour-blind readers can tell.
 * Next: series_style.ts
 */
export const PAGE_STYLE: string = `
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#595959;--paper:#fff;--raised:#f5f5f2;--rule:#d5d5d0;--grid:#e4e4df;--focus:#0059b3;--warn:#8a3b00;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b5508f;--c4:#b87f00;--c5:#000;--c6:#2f8fc7;--c7:#6e6e6e;--texture:#fff;
--k0:#cfe6f5;--k1:#d55e00;--k2:#8fd3bd;--k3:#006b4e;--k4:#f0d878;--k5:#c9c9c9;--kink:#111;--wake:#7a1f63}
@media (prefers-color-scheme:dark){:root{--ink:#ececea;--soft:#b4b4ae;--paper:#16171a;--raised:#202226;--rule:#44474d;--grid:#2e3136;--focus:#7cc0ff;--warn:#ffb27a;
--c0:#56b4e9;--c1:#ff8b4d;--c2:#2fc99c;--c3:#e6a1cb;--c4:#f0c04a;--c5:#fff;--c6:#a9c7ff;--c7:#a6a6a6;--texture:#16171a;
--k0:#2c4a60;--k1:#ff8b4d;--k2:#2a7d66;--k3:#5fe0b8;--k4:#8c7520;--k5:#54575e;--kink:#fff;--wake:#f3b0df}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
header,main{max-width:1100px;margin:0 auto;padding:0 20px}
h1{font-size:26px;margin:24px 0 4px}h2{font-size:21px;margin:40px 0 8px;border-top:2px solid var(--rule);padding-top:16px}h3{font-size:17px;margin:28px 0 4px}
a{color:var(--focus)}nav ul{margin:4px 0;padding-left:20px}nav>ul{columns:2}
.note{color:var(--soft);margin:4px 0}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:2px 20px;margin:8px 0}
.facts div{display:contents}.facts dt{color:var(--soft);font-size:13px}.facts dd{margin:0 0 6px}
.facts div{display:block;break-inside:avoid}
.warnings{border-left:4px solid var(--warn);margin:10px 0;padding:4px 12px 4px 28px;background:var(--raised)}
figure{margin:16px 0;padding:12px 14px;background:var(--raised);border:1px solid var(--rule);border-radius:6px}
section>section{content-visibility:auto;contain-intrinsic-size:auto 2200px}
figcaption{font-weight:600;margin-bottom:4px}
details{margin:8px 0}summary{cursor:pointer;color:var(--focus)}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
.scroll{overflow:auto;max-height:480px;margin:8px 0}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:4px 0}
th,td{padding:3px 9px;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
thead th{position:sticky;top:0;background:var(--raised)}
th.n,td.n{text-align:right;white-space:nowrap}tbody th{font-weight:500}
.claims td:nth-child(3){white-space:nowrap;font-weight:600}
.claims .scroll{max-height:none}.story .facts{grid-template-columns:1fr;max-width:860px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:4px 0;padding:0;font-size:13px}
.legend svg{vertical-align:middle}
svg.chart{display:block;width:100%;max-width:820px;height:auto}
svg text{font-size:11.5px;fill:var(--ink)}
.grid path{stroke:var(--grid);fill:none}.axis .rule{stroke:var(--rule)}
.line{fill:none;stroke-width:2}.interval{stroke-width:1.6;fill:none}
.mark{stroke:var(--raised);stroke-width:1}.mark.bar{stroke-width:1.2}.mark.hollow{fill:var(--raised)!important;stroke-width:1.6}
.mark.chosen,.slice.chosen{stroke:var(--ink);stroke-width:2.5}
.texture{stroke:var(--texture);stroke-width:1.7;fill:none}
.said{display:block;margin-top:5px;min-height:1.5em;font-size:13px;color:var(--soft)}
.tools{display:flex;gap:6px;margin:6px 0}
button{font:inherit;font-size:13px;min-width:34px;padding:3px 9px;color:var(--ink);background:var(--paper);border:1px solid var(--rule);border-radius:4px;cursor:pointer}
svg.lanes{display:block;width:100%;touch-action:pan-y;cursor:grab;user-select:none;background:var(--paper)}
.lane text{font-weight:600}
.slice{stroke:var(--ink);stroke-width:.4}svg text.in{fill:var(--kink);font-size:9.5px;pointer-events:none}
.k1,.k5{stroke-dasharray:3 2;stroke-width:1}
.wake{stroke:var(--wake);stroke-width:1.4;fill:none}.wake-head{fill:var(--wake)}
.wake.chosen{stroke-width:3.5}
${[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `.c${n}{fill:var(--c${n})}.line.c${n},.interval.c${n},.mark.hollow.c${n},.mark.b${n},rect.b${n}{stroke:var(--c${n})}.line.c${n},.interval.c${n}{fill:none}`).join('')}
${[0, 1, 2, 3, 4, 5].map((n) => `.k${n}{fill:var(--k${n})}`).join('')}
@media print{details{display:block}svg.lanes{cursor:auto}}
`;
