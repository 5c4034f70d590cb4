// One entry: what it is and where that comes from, what it will do, what it did, and why it did not.
import { Actions } from "./actions.js";
import { ask, path } from "./api.js";
import { Fragment, html, useEffect, useState } from "./dom.js";
import { Away, plural, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { Recent, State, Tag } from "./marks.js";
import { Bars } from "./picture.js";
import { askReveal, Revealed, useRevealed } from "./reveal.js";
import { Link, to, useQuery } from "./router.js";
import { scheduleActions } from "./schedule_actions.js";
import { Editor } from "./schedule_editor.js";
import { wordOf } from "./schedules.js";
import { session } from "./session.js";
import { Empty, Loaded, Refusal } from "./states.js";
import { usePages, useResource } from "./store.js";
import { Facts, More, Table } from "./table.js";

export function Schedule({ id }) {
  const entry = useResource(path`/api/schedule/${id}`, { topics: ["schedule"], every: 30_000 });
  const [query, change] = useQuery({ edit: "" });
  const row = entry.data?.row;
  const actions = scheduleActions(entry.reload);
  return html`<${Fragment}>
    <${ScreenHead} title=${row?.name || id} crumbs=${[["/schedules", "Schedules"]]} beside=${row && html`<${State} of=${wordOf(row)} /> ${row.schedule.words}`}>
      ${row && html`<${Actions} list=${actions} of=${row} />`}<//>
    <${Loaded} resource=${entry} rows=${8}>${(data) => html`<${Fragment}>
      <${Notes} data=${data} />
      ${query.edit && data.row.allowed_actions.includes("edit") && html`<${Editor} detail=${data} etag=${entry.etag} onDone=${() => {
        change({ edit: "" });
        entry.reload();
      }} onCancel=${() => change({ edit: "" })} />`}
      <${What} data=${data} id=${id} />
      <div class="columns"><${Coming} id=${id} next=${data.next} /><${Why} id=${id} /></div>
      <${History} id=${id} />
      <${Fields} fields=${data.fields} />
    <//>`}<//>
  <//>`;
}

function Notes({ data }) {
  const { row, problems } = data;
  return html`<${Fragment}>
    ${row.problem && html`<div class="refusal" role="note"><strong>It never fires like this</strong><p>${row.problem}</p>${problems.map((one) => html`<p key=${one.field}><code>${one.field}</code> ${one.detail} ${one.hint}</p>`)}</div>`}
    ${row.paused && html`<p class="note edge-skipped panel">Paused by ${row.paused.by}${row.paused.since_at && html` since <${Time} at=${row.paused.since_at} />`}${row.paused.until_at && html`, until <${Time} at=${row.paused.until_at} away />`}: “${row.paused.note}”</p>`}
    ${row.waits_since_at && html`<p class="note edge-late panel">An occurrence waits since <${Time} at=${row.waits_since_at} away />: a run before it is still going.</p>`}
  <//>`;
}

const CATCH_UP = { one: "the last that was missed", all: "all that were missed", none: "nothing", skip: "nothing" };

function What({ data, id }) {
  const { row } = data;
  const [shown, show, hide] = useRevealed();
  const reveal = async () => {
    const found = await askReveal({ title: `Reveal the arguments of ${row.name}`, where: path`/api/schedule/${id}/arguments`, isReading: true });
    if (found) show(JSON.stringify(found, null, 2));
  };
  const { positional, names } = data.arguments;
  const said = positional || names.length ? [positional && plural(positional, "value"), names.length && names.join(", ")].filter(Boolean).join("; ") : "none";
  return html`<${Panel} title="What it does">
    <${Facts} facts=${[
      ["Task", html`<code>${row.task}</code>`], ["Fires", html`${row.schedule.words}<br /><code class="muted">${row.schedule.expression}</code>`], ["Zone", row.schedule.zone],
      ["Queue", row.queue && html`<${Link} to=${to`/queues/${row.queue}`}>${row.queue}<//>`], ["Priority", data.priority], ["Expires after", data.expires_s && span(data.expires_s)],
      ["Missed ones", `caught up: ${CATCH_UP[data.catch_up] || data.catch_up}${data.catch_up_window_s ? `, up to ${span(data.catch_up_window_s)} old` : ""}`],
      ["While a run is going", { allow: "runs beside it", skip: "skips", "queue-one": "one waits", "queue-all": "all wait" }[data.overlap] || data.overlap],
      ["Starts within", data.start_deadline_s && span(data.start_deadline_s)], ["Runs at most", data.max_runs && `${data.max_runs} times`],
      ["Arguments", html`${said}${row.allowed_actions.includes("reveal") && html` <button type="button" class="plain" onClick=${reveal}>Reveal…</button>`}`],
      ["Comes from", html`${row.source}${row.is_changed && html` <${Tag}>changed here<//>`}`], ["Late (p95, 24 h)", row.lateness_p95_s !== null && span(row.lateness_p95_s)],
      ["Last 20", html`<${Recent} outcomes=${row.recent} />`],
    ]} />
    ${shown && html`<${Revealed} label=${`Arguments of ${row.name}`} text=${shown} onHide=${hide} />`}
  <//>`;
}

function Coming({ id, next }) {
  const [isLong, setLong] = useState(false);
  const more = useResource(isLong ? path`/api/schedule/${id}/preview` : "", { query: { count: 25 }, topics: ["schedule"] });
  const fires = more.data?.fires || next;
  return html`<${Panel} title="Next">
    ${!fires.length ? html`<p class="muted">It fires no more.</p>` : html`<table class="plain-table"><caption class="sr">Coming fires</caption><tbody>${fires.map((one) => html`<tr key=${one.at}><th scope="row"><${Time} at=${one.at} seconds /></th><td class="number"><${Away} at=${one.at} /></td><td>${one.note && html`<span class="tone-late">▲ ${one.note}</span>`}</td></tr>`)}</tbody></table>`}
    ${more.problem && html`<${Refusal} problem=${more.problem} inline />`}
    ${fires.length > 0 && !isLong && html`<p class="more"><button type="button" class="button small" onClick=${() => setLong(true)}>Show 25</button></p>`}
  <//>`;
}

/** Why did it not run at …? The daemon looks at plan, history and rules, and says. */
function Why({ id }) {
  const [at, setAt] = useState("");
  const [found, setFound] = useState({});
  useEffect(() => {
    let isGone = false;
    ask(path`/api/schedule/${id}/why`, at ? { at: new Date(at).toISOString() } : {}).then((said) => isGone || setFound({ said }), (problem) => isGone || setFound({ problem }));
    return () => {
      isGone = true;
    };
  }, [id, at]);
  const { said, problem } = found;
  return html`<${Panel} title="Why, or why not?">
    <label class="field"><span>At (this browser's zone)</span><input type="datetime-local" value=${at} onChange=${(event) => setAt(event.target.value)} /></label>
    <div role="status">${problem && html`<${Refusal} problem=${problem} inline />`}
    ${said && html`<p><${State} of=${{ ran: "succeeded", skipped: "skipped", "not-due": "planned", "not-yet": "planned", waits: "waiting" }[said.finding] || "unknown"} label=${said.finding.replaceAll("-", " ")} /> <${Time} at=${said.at} seconds /></p><p>${said.text}</p>
      <p class="muted">${said.before_at && html`Due before: <${Time} at=${said.before_at} />. `}${said.after_at && html`Due after: <${Time} at=${said.after_at} />.`}</p>`}</div>
  <//>`;
}

const OUTCOMES = ["", "succeeded", "failed", "skipped", "lost", "revoked", "unknown"];

function History({ id }) {
  const [state, setState] = useState("");
  const pages = usePages(path`/api/schedule/${id}/history`, { query: { limit: 50, state }, topics: ["schedule"], every: 30_000 });
  const runs = pages.items || [];
  const beside = html`<label>Outcome <select value=${state} onChange=${(event) => setState(event.target.value)}>${OUTCOMES.map((one) => html`<option value=${one}>${one || "any"}</option>`)}</select></label>`;
  return html`<${Panel} title="History" beside=${beside}>
    <${Loaded} resource=${pages}>${() => (!runs.length ? html`<${Empty} title="No run kept">${state ? "None ended like this." : "It did not fire since the daemon began to keep its history."}<//>`
      : html`<${Fragment}><${Table} caption="Runs, the latest first" columns=${RUN_COLUMNS} rows=${runs} keyOf=${(run) => `${run.due_at} ${run.task_id} ${run.how}`} /><${More} pages=${pages} noun="run" />
        <div class="columns"><${Bars} caption="How late" rows=${classed(runs.map((run) => run.lateness_s))} /><${Bars} caption="How long it ran" rows=${classed(runs.map((run) => run.duration_s))} /></div><//>`)}<//>
  <//>`;
}

const RUN_COLUMNS = [
  { name: "state", label: "Outcome", of: (run) => html`<${State} of=${run.outcome} />${run.reason_text && html`<div class="hint">${run.reason_text}</div>`}` },
  { name: "due", label: "Due", isHead: true, of: (run) => html`<${Time} at=${run.due_at} seconds />${run.count > 1 && html` <span class="muted">× ${run.count}</span>`}` },
  { name: "late", label: "Late", number: true, of: (run) => span(run.lateness_s) },
  { name: "wait", label: "Waited", number: true, of: (run) => run.wait_s !== null && span(run.wait_s) },
  { name: "ran", label: "Ran", number: true, of: (run) => run.duration_s !== null && span(run.duration_s) },
  { name: "how", label: "By", of: (run) => run.how },
  { name: "worker", label: "Worker", wide: true, of: (run) => run.worker && html`<${Link} to=${to`/workers/${run.worker}`}>${run.worker}<//>` },
  { name: "task", label: "Task", of: (run) => run.task_id && html`<${Link} to=${to`/tasks/${run.task_id}`} class="mono">${run.task_id.slice(0, 8)}…<//>` },
];

const CLASSES = [0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3_600, 14_400, Infinity];

/** Count spans into classes that grow; empty ones at both ends are left out. */
function classed(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  const counts = CLASSES.map((upTo, at) => known.filter((value) => value <= upTo && (at === 0 || value > CLASSES[at - 1])).length);
  const first = counts.findIndex(Boolean);
  const last = counts.findLastIndex(Boolean);
  return counts.slice(Math.max(0, first), last + 1).map((many, at) => {
    const upTo = CLASSES[at + Math.max(0, first)];
    return [upTo === Infinity ? `> ${span(CLASSES.at(-2))}` : `≤ ${span(upTo)}`, many];
  });
}

function Fields({ fields }) {
  const zone = session.get().zone;
  return html`<${Panel} title="Where each field comes from" beside=${`zone of the site: ${zone}`}>
    <${Table} caption="Fields of the entry and their sources" isHeld=${false} rows=${fields} keyOf=${(one) => one.field} rowTone=${(one) => (one.is_changed ? "skipped" : "")} columns=${[
      { name: "field", label: "Field", isHead: true, of: (one) => html`<code>${one.field}</code>` },
      { name: "value", label: "Value", of: (one) => (one.is_hidden ? html`<span class="muted">••••</span>` : html`<code>${typeof one.value === "string" ? one.value : JSON.stringify(one.value)}</code>`) },
      { name: "from", label: "From", of: (one) => html`${one.place || one.source}${one.by && ` by ${one.by}`}${one.since_at && html` <${Time} at=${one.since_at} />`}` },
      { name: "below", label: "Otherwise", wide: true, of: (one) => one.below !== null && html`<code>${typeof one.below === "string" ? one.below : JSON.stringify(one.below)}</code>` },
      { name: "reason", label: "Reason", wide: true, of: (one) => one.reason && `“${one.reason}”` },
    ]} />
  <//>`;
}
