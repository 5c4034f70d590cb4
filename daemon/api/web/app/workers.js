// Workers: who is there, what it takes from, how full it is. Commands are broadcast to one worker by name.
import { Actions } from "./actions.js";
import { path, send } from "./api.js";
import { confirm, OPTIONAL_REASON } from "./dialog.js";
import { Fragment, html } from "./dom.js";
import { Choice, Filters, Search } from "./filters.js";
import { count, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { Gauge } from "./picture.js";
import { Link, to, useQuery } from "./router.js";
import { Empty, Loaded, NoMatch, Snippet } from "./states.js";
import { usePages } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

export function Workers() {
  const [query, change] = useQuery({});
  const asked = { state: query.state, queue: query.queue, text: query.text };
  const pages = usePages("/api/nodes", { query: { ...asked, limit: 200 }, topics: ["workers"], every: 15_000 });
  const first = pages.first;
  const online = pages.items?.filter((one) => one.state === "online").length;
  return html`<${Fragment}>
    <${ScreenHead} title="Workers" beside=${first && html`<span class="muted">${count(online)} online, ${count(pages.items.length - online)} not</span>`} />
    ${first && !first.is_complete && html`<p class="note edge-late">Not every worker answered in time: a missing one may be busy rather than gone.</p>`}
    ${first && !first.events_since_at && html`<p class="note edge-late">No events of workers are heard: what is shown comes from asking them.</p>`}
    <${Filters}>
      <${Search} label="Name" value=${query.text} onChange=${change} />
      <${Search} label="Queue" name="queue" value=${query.queue} onChange=${change} />
      <${Choice} label="State" name="state" value=${query.state} onChange=${change} options=${[["", "any"], ["online", "online"], ["silent", "silent"], ["offline", "offline"]]} />
    <//>
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${pages.items.length ? html`<${List} items=${pages.items} />` : Object.values(asked).some(Boolean) ? html`<${NoMatch} filters=${asked} onChange=${change} />`
        : html`<${Empty} title="No worker answers" shell=${first.unserved[0]?.start || "celery -A yourapp worker"}>Everything that is sent waits in its queue until one does.<//>`}
      <${More} pages=${pages} noun="worker" />
      ${pages.items.length > 0 && first.unserved.length > 0 && html`<${Unserved} queues=${first.unserved} />`}
    <//>`}<//>
  <//>`;
}

const COLUMNS = [
  { name: "name", label: "Worker", isHead: true, of: (one) => html`<${Link} to=${to`/workers/${one.name}`}>${one.name}<//>${one.is_doubled && html` <${Tag} tone="bad" title="Two workers bear this name: give each its own with -n">twice<//>`}` },
  { name: "state", label: "State", of: (one) => html`<${State} of=${one.state} />` },
  { name: "queues", label: "Queues", of: (one) => one.queues.map((queue) => html`<${Link} key=${queue} to=${to`/queues/${queue}`}>${queue}<//>${one.required_for.includes(queue) ? html` <${Tag} title="Nobody else takes from it">alone<//> ` : " "}`) },
  { name: "slots", label: "Slots in use", of: (one) => (one.slots ? html`<${Gauge} value=${one.active} of=${one.slots} /> <span class="number">${count(one.active)}/${count(one.slots)}</span>` : null) },
  { name: "held", label: "Prefetched", number: true, wide: true, of: (one) => count(one.reserved) },
  { name: "done", label: "Done", number: true, wide: true, of: (one) => count(one.processed) },
  { name: "failed", label: "Failed", number: true, wide: true, of: (one) => count(one.failed) },
  { name: "celery", label: "Celery", wide: true, of: (one) => one.celery },
  { name: "clock", label: "Clock", wide: true, of: (one) => (one.is_drifting ? html`<span class="tone-late">▲ ${span(one.clock_offset_s)} off</span>` : "") },
  { name: "heard", label: "Heard", of: (one) => html`<${Time} at=${one.heard_at} seconds=${true} />` },
];

function List({ items }) {
  const there = items.filter((one) => one.state !== "offline");
  const gone = items.filter((one) => one.state === "offline");
  const table = (rows, caption) => html`<${Table} caption=${caption} columns=${COLUMNS} rows=${rows} keyOf=${(one) => one.name} link=${(one) => to`/workers/${one.name}`} rowTone=${(one) => ({ silent: "late", offline: "quiet" })[one.state]} />`;
  return html`<${Fragment}>
    ${there.length > 0 ? table(there, "Workers") : html`<p class="note edge-bad">None of the workers that were known answers.</p>`}
    ${gone.length > 0 && html`<details class="gone"><summary>${count(gone.length)} gone</summary>${table(gone, "Workers that went")}</details>`}<//>`;
}

function Unserved({ queues }) {
  return html`<${Panel} title="Queues that nobody takes from">
    ${queues.map((one) => html`<div key=${one.queue}><p><${Link} to=${to`/queues/${one.queue}`}>${one.queue}<//></p><${Snippet} text=${one.start} label=${`Command for ${one.queue}`} /></div>`)}<//>`;
}

const N = { name: "n", label: "How many processes", kind: "number", value: "1", min: 1, max: 100, required: true };
const TASK = { name: "task", label: "Task", required: true, isMono: true };
const QUEUE = { name: "queue", label: "Queue", required: true };
const number = (text) => (text === "" || text === undefined ? null : Number(text));

/** What can be told to a worker: fields of the dialog, and the body that is sent. */
const COMMANDS = [
  { name: "pool-grow", label: "Grow pool…", fields: [N], body: ({ n }) => ({ n: Number(n) }) },
  { name: "pool-shrink", label: "Shrink pool…", fields: [N], body: ({ n }) => ({ n: Number(n) }) },
  { name: "add-consumer", label: "Take from a queue…", fields: [QUEUE], body: ({ queue }) => ({ queue }) },
  { name: "cancel-consumer", label: "Stop taking from a queue…", more: true, fields: [QUEUE], body: ({ queue }) => ({ queue }) },
  { name: "autoscale", label: "Autoscale…", more: true, fields: [{ name: "min", label: "At least", kind: "number", value: "1", min: 0, required: true }, { name: "max", label: "At most", kind: "number", value: "4", min: 1, required: true }], body: ({ min, max }) => ({ min: Number(min), max: Number(max) }) },
  { name: "rate-limit", label: "Rate limit…", more: true, fields: [TASK, { name: "rate", label: "Rate, as in 10/m (empty: none)" }], body: ({ task, rate }) => ({ task, rate: rate || null }) },
  { name: "time-limit", label: "Time limits…", more: true, fields: [TASK, { name: "soft_s", label: "Soft limit in seconds", kind: "number", min: 0 }, { name: "hard_s", label: "Hard limit in seconds", kind: "number", min: 0 }], body: ({ task, soft_s, hard_s }) => ({ task, soft_s: number(soft_s), hard_s: number(hard_s) }) },
  { name: "pool-restart", label: "Restart pool…", more: true, danger: true, fields: [], body: () => ({}) },
  { name: "shutdown", label: "Shut down…", more: true, danger: true, isFinal: true, fields: [], body: (_, name) => ({ confirm: name }) },
];

async function command(one, worker) {
  const where = path`/api/nodes/${worker.name}/${one.name}`;
  const ready = (values) => one.fields.every((field) => !field.required || String(values[field.name] || "").trim());
  const done = await confirm({
    tier: one.isFinal ? 3 : 2, title: `${one.label.replace("…", "")}: ${worker.name}`, verb: one.label.replace("…", ""), danger: one.danger, typed: one.isFinal ? worker.name : undefined,
    fields: [...one.fields, OPTIONAL_REASON],
    preview: async (values) => {
      if (!ready(values)) return html`<p class="muted">Fill in what is needed to see what would happen.</p>`;
      const plan = await send(where, { ...one.body(values, worker.name), dry_run: true });
      return html`<p>It would ${plan.what}.</p>${plan.warnings.map((text) => html`<p class="tone-late" key=${text}>▲ ${text}</p>`)}`;
    },
    run: (values) => send(where, { ...one.body(values, worker.name), reason: values.reason }),
  });
  if (done) toast(`${worker.name}: ${done.answer || done.what}`);
}

export const WorkerActions = ({ of, size }) => html`<${Actions} of=${of} size=${size} list=${COMMANDS.map((one) => ({ ...one, act: (worker) => command(one, worker) }))} />`;
