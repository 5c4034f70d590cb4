// The day in one picture: what ran and what will, late, skipped or running, one line for each entry, one axis for all.
import { classes, html, useEffect, useLayoutEffect, useRef, useState } from "./dom.js";
import { hourTime, moment, now, roughly, shortDay, span, zoneChoice } from "./format.js";
import { kindOf, shapeOf, State, toneOf } from "./marks.js";
import { Link, to } from "./router.js";
import { useSignal } from "./signal.js";
import { Empty, Loaded } from "./states.js";
import { useResource } from "./store.js";

const ROW = 26;
const AXIS = 22;
const LEAST = 720; // px: below that the picture scrolls sideways
const HOUR = 3_600_000;
const WINDOWS = [["Day", -12, 12, 2], ["Past 24 h", -24, 0, 2], ["Next 24 h", 0, 24, 2], ["Week", -84, 84, 24]];
const SAID = { planned: "planned", skipped: "skipped", failed: "failed", late: "late", succeeded: "succeeded" };

const stateOf = (row) => (row.state === "on" && row.health !== "unknown" ? row.health : row.state);

/** The timeline with its own windows; asks the API by itself. */
export function Timeline() {
  const [which, choose] = useState(0);
  const [isTable, setTable] = useState(false);
  const [, past, future, every] = WINDOWS[which];
  const minute = Math.floor(useSignal(now) / 60_000) * 60_000;
  const query = which === 0 ? { limit: 12 } : { limit: 12, from: new Date(minute + past * HOUR).toISOString(), to: new Date(minute + future * HOUR).toISOString() };
  const resource = useResource("/api/schedule/timeline", { query, topics: ["schedule"], every: 60_000 });
  return html`<section class="panel timeline" aria-label="Occurrences, past and coming">
    <header class="panel-head"><h2>Occurrences</h2>
      <span class="switch" role="group" aria-label="Window">${WINDOWS.map(([name], at) => html`<button key=${name} type="button" aria-pressed=${at === which ? "true" : "false"} onClick=${() => choose(at)}>${name}</button>`)}</span>
      <button type="button" class="plain beside" aria-pressed=${isTable ? "true" : "false"} onClick=${() => setTable(!isTable)}>${isTable ? "Show as picture" : "Show as table"}</button>
    </header>
    <${Loaded} resource=${resource} rows=${8}>${(data) => {
      if (!data.rows.length) return html`<${Empty} title="No schedules yet" toml=${'[schedule.nightly]\ntask = "apps.reports.tasks.nightly"\ncron = "0 2 * * *"\nqueue = "batch"'}>Put an entry into the site file; what it did and will do is then drawn here.<//>`;
      return isTable ? html`<${AsTable} data=${data} />` : html`<${Picture} data=${data} hours=${every} />`;
    }}<//>
  </section>`;
}

/** Every so many hours by the clock of the zone, also where it jumps. */
function hoursBetween(from, to, every) {
  const found = [];
  for (let at = Math.ceil(from / HOUR) * HOUR; at < to; at += HOUR) {
    if (Number(hourTime(at).slice(0, 2)) % every === 0 && hourTime(at).endsWith(":00")) found.push(at);
  }
  return found;
}

/** Where the clock is set forward or back: {at, hours}. */
function jumps(from, to) {
  const offset = (at) => {
    const [hour, minute] = hourTime(at).split(":").map(Number);
    return (hour * 60 + minute - (new Date(at).getUTCHours() * 60 + new Date(at).getUTCMinutes()) + 1_440) % 1_440;
  };
  const found = [];
  for (let at = Math.ceil(from / HOUR) * HOUR; at < to - HOUR; at += HOUR) {
    if (offset(at) !== offset(at + HOUR)) found.push(at + HOUR);
  }
  return found;
}

function Picture({ data, hours }) {
  const zone = useSignal(zoneChoice);
  const current = useSignal(now);
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  const [shown, show] = useState(null);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(LEAST, Math.floor(entry.contentRect.width))));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const from = Date.parse(data.from_at);
  const until = Date.parse(data.to_at);
  const x = (at) => ((at - from) / (until - from)) * width;
  useEffect(() => {
    // On a phone the picture is wider than its window: "now" is what to look at first.
    if (width > box.current.clientWidth) box.current.scrollLeft = x(current) - box.current.clientWidth / 2;
  }, [width, data.from_at]);
  const height = AXIS + data.rows.length * ROW + 4;
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const marks = [...event.currentTarget.querySelectorAll("[data-mark]")];
    const next = marks[Math.min(marks.length - 1, Math.max(0, marks.indexOf(document.activeElement) + step))];
    next?.focus();
    event.preventDefault();
  };
  const summary = `${data.rows.length} entries between ${moment(from)} and ${moment(until)}${data.others ? `, ${data.others} more not drawn` : ""}`;
  return html`<div class="timeline-grid">
    <div class="timeline-names" aria-hidden="true"><div class="timeline-axis-space"></div>${data.rows.map((row) => html`<${Link} key=${row.id} to=${to`/schedules/${row.id}`} tabindex="-1" title=${row.name}><span class=${`tone-${toneOf(stateOf(row))}`}>${shapeOf(stateOf(row))}</span> ${row.name}<//>`)}</div>
    <div class="timeline-box" ref=${box} role="region" aria-label=${summary} tabindex="0">
      ${width > 0 && html`<svg key=${zone} width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="group" aria-label=${summary} onKeyDown=${move} onPointerLeave=${() => show(null)}>
        <defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line y2="6" class="hatch" /></pattern></defs>
        ${hoursBetween(from, until, hours).map((at) => html`<g key=${at}><line class="hour" x1=${x(at)} x2=${x(at)} y1=${AXIS - 4} y2=${height} /><text class="hour-word" x=${x(at) + 3} y=${AXIS - 8}>${Math.abs(x(at) - x(current) + 6) < 22 ? "" : hours === 24 ? shortDay(at) : hourTime(at).slice(0, 2)}</text></g>`)}
        ${jumps(from, until).map((at) => html`<rect key=${at} class="jump" x=${x(at - HOUR)} width=${x(at) - x(at - HOUR)} y=${AXIS - 4} height=${height} fill="url(#hatch)"><title>The clock is changed in this hour</title></rect>`)}
        ${data.rows.map((row, at) => html`<g key=${row.id} transform=${`translate(0 ${AXIS + at * ROW})`}><line class="track" x1="0" x2=${width} y1=${ROW - 0.5} y2=${ROW - 0.5} />${row.is_dense ? html`<${Cells} row=${row} cell=${data.cell_s * 1_000} x=${x} show=${show} />` : html`<${Marks} row=${row} x=${x} current=${current} show=${show} />`}</g>`)}
        ${current > from && current < until && html`<g class="now"><line x1=${x(current)} x2=${x(current)} y1=${AXIS - 8} y2=${height} /><text x=${x(current)} y=${AXIS - 11} text-anchor="middle">now</text></g>`}
      </svg>`}
    </div>
    <p class="timeline-said" role="status">${shown || html`<span class="muted">${data.others ? `${data.others} more entries run as they should and are not drawn. ` : ""}Point at a mark, or move with the arrow keys, to read it.</span>`}</p>
  </div>`;
}

function Cells({ row, cell, x, show }) {
  return row.cells.map((one) => {
    const at = Date.parse(one.at);
    const word = SAID[one.outcome] || one.outcome;
    const says = `${row.name}: ${one.count ? `${one.count} between` : "between"} ${moment(at)} and ${hourTime(at + cell)}, ${one.outcome === "planned" ? "planned" : `worst ${word}`}`;
    const width = Math.max(2, x(at + cell) - x(at) - 1);
    return html`<rect key=${one.at} class=${classes("cell", `fill-${toneOf(one.outcome)}`, one.outcome === "planned" && "is-planned")} x=${x(at)} width=${width} y=${toneOf(one.outcome) === "bad" ? 4 : 7} height=${toneOf(one.outcome) === "bad" ? 18 : 12} rx="1.5" data-mark tabindex=${toneOf(one.outcome) === "ok" || one.outcome === "planned" ? -1 : 0} role="img" aria-label=${says} onPointerEnter=${() => show(says)} onFocus=${() => show(says)} />`;
  });
}

const PATHS = { // centred on 0, 13
  ok: "M0 9a4 4 0 1 0 .01 0Z", late: "M0 7.500L5 17H-5Z", bad: "M0 6.500L6 13L0 19.500L-6 13Z", skipped: "M-4.5 10H4.500V16H-4.500Z",
  running: "M-5 11H5V15H-5Z", planned: "M-2.5 9.500H2.500V16.500H-2.500Z", unknown: "M0 10a3 3 0 1 0 .01 0Z",
};

function Marks({ row, x, current, show }) {
  return row.marks.map((one) => {
    const at = Date.parse(one.due_at);
    const kind = kindOf(one.outcome);
    const begun = one.started_at && Date.parse(one.started_at);
    const ended = one.ended_at ? Date.parse(one.ended_at) : kind === "running" ? current : begun;
    const bar = begun && ended && x(ended) - x(begun) > 5;
    const says = [`${row.name}: ${moment(at, { seconds: true })} ${SAID[one.outcome] || one.outcome}`, one.count > 1 && `${one.count} times`,
      one.outcome !== "planned" && one.lateness_s > 0.05 && `${span(one.lateness_s)} late`, begun && one.ended_at && `ran ${roughly((ended - begun) / 1_000)}`].filter(Boolean).join(", ");
    return html`<g key=${one.due_at} data-mark role="img" aria-label=${says} tabindex=${kind === "planned" || kind === "ok" ? -1 : 0} onPointerEnter=${() => show(says)} onFocus=${() => show(says)}>
      ${bar && html`<rect class=${`run fill-${toneOf(one.outcome)}`} x=${x(begun)} width=${x(ended) - x(begun)} y="10.5" height="5" rx="2.5" />`}
      <path class=${classes("mark", `fill-${toneOf(one.outcome)}`, kind === "planned" && "is-planned")} d=${PATHS[kind] || PATHS.unknown} transform=${`translate(${x(at).toFixed(1)} 0)`} />
    </g>`;
  });
}

function AsTable({ data }) {
  return html`<div class="table-box scroll" tabindex="0" role="region" aria-label="Occurrences"><table class="plain-table"><caption class="sr">Occurrences between ${moment(data.from_at)} and ${moment(data.to_at)}</caption>
    <thead><tr><th scope="col">entry</th><th scope="col">state</th><th scope="col">next</th><th scope="col" class="number">succeeded</th><th scope="col" class="number">not as planned</th><th scope="col" class="number">to come</th></tr></thead>
    <tbody>${data.rows.map((row) => {
      const all = row.is_dense ? row.cells : row.marks;
      const sum = (wanted) => all.reduce((many, one) => many + (wanted(one.outcome) ? one.count || 1 : 0), 0);
      return html`<tr key=${row.id}><th scope="row"><${Link} to=${to`/schedules/${row.id}`}>${row.name}<//></th><td><${State} of=${stateOf(row)} /></td><td>${row.next_at ? moment(row.next_at) : "–"}</td>
        <td class="number">${sum((one) => toneOf(one) === "ok")}</td><td class="number">${sum((one) => toneOf(one) !== "ok" && one !== "planned")}</td><td class="number">${sum((one) => one === "planned")}</td></tr>`;
    })}</tbody></table></div>`;
}
