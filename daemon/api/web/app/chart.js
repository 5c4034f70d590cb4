// A chart over time with axes (uPlot): series of one step, zoom by dragging, and the same numbers as a table.
import { classes, html, useEffect, useRef, useState } from "./dom.js";
import { clockTime, count, hourTime, moment, shortDay, zoneChoice } from "./format.js";
import { useSignal } from "./signal.js";
import { theme } from "./theme.js";

const HEIGHT = 190;
const TABLE_ROWS = 48;
const TONES = ["accent", "ok", "late", "skipped", "bad", "muted"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export const total = (values) => values.reduce((sum, value) => sum + value, 0);
export const mean = (values) => total(values) / values.length;
export const most = (values) => Math.max(...values);

/** Instants along an axis, 24 h in the chosen zone: the library's own are for the US. */
const ticks = (_, splits, __, ___, step) => splits.map((at) => (step >= 86_400 ? shortDay(at * 1_000) : hourTime(at * 1_000)));

/**
 * title; from (ISO) and step (seconds) of the numbers; series: [{label, values, tone}]; unit: word(value) for axis and table;
 * join: what several numbers make where the table has one row for them.
 */
export function Chart({ title, from, step, series, unit = count, join = total, height = HEIGHT }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [isTable, setTable] = useState(false);
  const hue = useSignal(theme);
  const zone = useSignal(zoneChoice);
  const start = Date.parse(from) / 1_000;
  const length = Math.max(0, ...series.map((one) => one.values.length));
  const times = Array.from({ length }, (_, at) => start + at * step);
  const data = [times, ...series.map((one) => one.values)];
  const shape = `${series.map((one) => one.label).join()} ${hue} ${zone} ${isTable}`;

  useEffect(() => {
    if (isTable || !box.current || !length || !globalThis.uPlot) return undefined;
    const grid = { stroke: colour("rule"), width: 1 };
    const axis = { stroke: colour("muted"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
    const made = new globalThis.uPlot({
      width: box.current.clientWidth || 300, height, ms: 1e-3, legend: { show: series.length > 1, live: false },
      cursor: { y: false, points: { size: 6 } },
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [{ ...axis, values: ticks }, { ...axis, size: 52, values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? unit(value) : "")) }],
      series: [{}, ...series.map((one, at) => {
        const tone = colour(one.tone || TONES[at % TONES.length]);
        return { label: one.label, stroke: tone, fill: series.length === 1 ? `${tone}22` : undefined, width: 1.5, points: { show: false } };
      })],
    }, data, box.current);
    plot.current = made;
    const observer = new ResizeObserver(([entry]) => made.setSize({ width: Math.floor(entry.contentRect.width), height }));
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, length > 0]);
  useEffect(() => plot.current?.setData(data, false) && undefined, [series]);
  useEffect(() => {
    if (plot.current) plot.current.setScale("x", { min: times[0], max: times.at(-1) });
  }, [from]);

  const says = series.map((one) => `${one.label}: highest ${unit(Math.max(0, ...one.values))}, last ${unit(one.values.at(-1) ?? 0)}`).join("; ");
  return html`<figure class=${classes("chart", !length && "is-bare")}>
    <figcaption><span>${title}</span>${length > 0 && html`<button type="button" class="plain" aria-pressed=${isTable ? "true" : "false"} onClick=${() => setTable(!isTable)}>${isTable ? "Show as picture" : "Show as table"}</button>`}</figcaption>
    ${!length ? html`<p class="muted">Nothing to draw yet.</p>`
      : isTable ? html`<${Numbers} title=${title} times=${times} series=${series} unit=${unit} join=${join} />`
      : html`<div role="img" aria-label=${`${title}. ${says}`}><div class="plot" ref=${box} aria-hidden="true"></div></div>`}
  </figure>`;
}

/** The newest numbers; long series are joined to at most so many rows. */
function Numbers({ title, times, series, unit, join }) {
  const by = Math.ceil(times.length / TABLE_ROWS);
  const rows = [];
  for (let at = 0; at < times.length; at += by) rows.push([times[at], series.map((one) => join(one.values.slice(at, at + by).map((value) => value || 0)))]);
  return html`<div class="table-box scroll" tabindex="0" role="region" aria-label=${title}><table class="plain-table"><caption class="sr">${title}</caption>
    <thead><tr><th scope="col">from</th>${series.map((one) => html`<th scope="col" class="number">${one.label}</th>`)}</tr></thead>
    <tbody>${rows.reverse().map(([at, values]) => html`<tr key=${at}><th scope="row"><time datetime=${new Date(at * 1_000).toISOString()} title=${clockTime(at * 1_000)}>${moment(at * 1_000)}</time></th>${values.map((value) => html`<td class="number">${unit(value)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
