// Small pictures without axes: a sparkline, bars of a histogram, a gauge. Each says in a sentence what it shows.
import { html } from "./dom.js";
import { count } from "./format.js";

/** A line over time, scaled to its own highest; `last` is written beside it. usual: as many numbers, drawn muted behind. */
export function Spark({ values, label, width = 120, height = 22, last }) {
  const known = (values || []).map((value) => value ?? 0);
  if (!known.length) return html`<span class="muted">–</span>`;
  const top = Math.max(1, ...known);
  const step = width / Math.max(1, known.length - 1);
  const y = (value) => (height - 1.5 - (value / top) * (height - 3)).toFixed(1);
  const line = known.map((value, at) => `${at ? "L" : "M"}${(at * step).toFixed(1)} ${y(value)}`).join("");
  const says = `${label || "course"}: between ${count(Math.min(...known))} and ${count(Math.max(...known))}, last ${count(known.at(-1))}`;
  return html`<span class="spark">
    <svg viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height} role="img" aria-label=${says} preserveAspectRatio="none">
      <path class="spark-area" d=${`${line}L${width} ${height}L0 ${height}Z`} /><path class="spark-line" d=${line} />
    </svg>${last !== undefined && html`<b class="number">${last}</b>`}
  </span>`;
}

/** Bars of a histogram: [[label, count]]. Rows with bars instead of an axis: they are read as a table is. */
export function Bars({ rows, caption, word = count }) {
  const top = Math.max(1, ...rows.map(([, value]) => value));
  return html`<table class="bars"><caption>${caption}</caption><tbody>
    ${rows.map(([label, value, tone]) => html`<tr key=${label}><th scope="row">${label}</th>
      <td class="bar-cell"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class=${`bar ${tone ? `fill-${tone}` : ""}`} width=${(value / top) * 100} height="10" rx="1" /></svg></td>
      <td class="number">${word(value)}</td></tr>`)}
  </tbody></table>`;
}

/** How much of something is used: slots of a worker, progress of a task. */
export function Gauge({ value, of, label }) {
  const part = of ? Math.min(1, value / of) : 0;
  return html`<span class="gauge" role="img" aria-label=${label || `${count(value)} of ${count(of)}`}>
    <svg viewBox="0 0 60 8" width="60" height="8" preserveAspectRatio="none" aria-hidden="true"><rect class="gauge-back" width="60" height="8" rx="4" /><rect class="gauge-fill" width=${60 * part} height="8" rx="4" /></svg>
  </span>`;
}
