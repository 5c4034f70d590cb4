// Tasks as the events tell: what runs, what failed, where it came from. Arguments and results are not in this list.
import { Actions } from "./actions.js";
import { path, send } from "./api.js";
import { confirm, OPTIONAL_REASON, REASON } from "./dialog.js";
import { Fragment, html, useEffect } from "./dom.js";
import { Choice, Filters, Search, Views } from "./filters.js";
import { count, moment, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { onRowAction } from "./keyboard.js";
import { State } from "./marks.js";
import { Bars } from "./picture.js";
import { Link, to, useQuery } from "./router.js";
import { Empty, Loaded, NoMatch } from "./states.js";
import { usePages } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

const STATES = ["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "REJECTED"];
const ORIGINS = [["", "any"], ["entry", "the schedule"], ["feed", "a feed"], ["api", "the API"], ["other", "elsewhere"]];
const NAMES = ["state", "name", "queue", "worker", "id", "origin"];

export function Tasks() {
  const [query, change] = useQuery({});
  const asked = Object.fromEntries(NAMES.map((name) => [name, query[name]]));
  const pages = usePages("/api/task-list", { query: { ...asked, limit: 100 }, topics: ["tasks"], every: 10_000 });
  useEffect(() => onRowAction(TASK_ACTIONS, (key) => pages.items?.find((one) => one.task_id === key)), [pages.items]);
  const first = pages.first;
  return html`<${Fragment}>
    <${ScreenHead} title="Tasks" beside=${first && html`<span class="muted">${first.kept_since ? `kept since ${moment(first.kept_since)}` : "nothing heard yet"}</span>`} />
    ${first && !first.is_listening && html`<p class="note edge-bad">The stream of events is not heard at present: the list stands still. It goes on by itself once the broker is back.</p>`}
    ${first?.gaps?.length > 0 && html`<p class="note edge-late">Events may be missing: ${first.gaps.slice(-1).map((gap) => html`from <${Time} at=${gap.began_at} seconds=${true} /> to <${Time} at=${gap.ended_at} seconds=${true} none="now" /> (${gap.reason})`)}.</p>`}
    <${Views} query=${query} onChange=${change} names=${["state"]} views=${[["All", {}], ["Running", { state: "STARTED" }], ["Failed", { state: "FAILURE" }], ["Waiting", { state: "RECEIVED" }], ["Retrying", { state: "RETRY" }]]} />
    <${Filters}>
      <${Search} label="Name" name="name" value=${query.name} onChange=${change} placeholder="apps.reports.*" />
      <${Choice} label="State" name="state" value=${query.state} onChange=${change} options=${[["", "any"], ...STATES.map((one) => [one, one])]} />
      <${Choice} label="From" name="origin" value=${query.origin} onChange=${change} options=${ORIGINS} />
      <${Search} label="Queue" name="queue" value=${query.queue} onChange=${change} />
      <${Search} label="Worker" name="worker" value=${query.worker} onChange=${change} />
      <${Search} label="Id begins with" name="id" value=${query.id} onChange=${change} />
    <//>
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${pages.items.length ? html`<${Table} caption="Tasks, the last changed first" columns=${COLUMNS} rows=${pages.items} keyOf=${(one) => one.task_id} link=${(one) => to`/tasks/${one.task_id}`} rowTone=${(one) => (one.state === "FAILURE" ? "bad" : undefined)} />`
        : Object.values(asked).some(Boolean) ? html`<${NoMatch} filters=${asked} onChange=${change} />`
        : html`<${Empty} title="No task has been heard of" shell="celery -A yourapp worker --task-events">Tasks are known by the events that workers send. They send them when started with this option, or with worker_send_task_events in the application.<//>`}
      <${More} pages=${pages} noun="task" />
      ${!first.is_complete && !pages.hasMore && html`<p class="muted">Older tasks were not looked at.</p>`}
      ${first.forgotten > 0 && html`<p class="muted">${count(first.forgotten)} older ones are no longer kept.</p>`}
      <${Failed} names=${first.failed_by_name} />
    <//>`}<//>
  <//>`;
}

const COLUMNS = [
  { name: "name", label: "Task", isHead: true, of: (one) => html`<${Link} to=${to`/tasks/${one.task_id}`}>${one.name || "(name not known)"}<//><br /><span class="mono muted small-id">${one.task_id}</span>` },
  { name: "state", label: "State", of: (one) => html`<${State} of=${one.state} />` },
  { name: "queue", label: "Queue", of: (one) => one.queue && html`<${Link} to=${to`/queues/${one.queue}`}>${one.queue}<//>` },
  { name: "worker", label: "Worker", wide: true, of: (one) => one.worker && html`<${Link} to=${to`/workers/${one.worker}`}>${one.worker}<//>` },
  { name: "received", label: "Received", of: (one) => html`<${Time} at=${one.received_at || one.sent_at} seconds=${true} />` },
  { name: "wait", label: "Waited", number: true, wide: true, of: (one) => span(one.wait_s) },
  { name: "run", label: "Ran", number: true, of: (one) => span(one.runtime_s) },
  { name: "retries", label: "Retries", number: true, wide: true, of: (one) => one.retries || "" },
  { name: "origin", label: "From", of: (one) => html`<${Origin} of=${one.origin} />` },
];

export function Origin({ of }) {
  if (!of) return html`<span class="muted">elsewhere</span>`;
  const where = { entry: to`/schedules/${of.name}`, feed: to`/feeds/${of.name}` }[of.kind];
  return where ? html`${of.kind} <${Link} to=${where}>${of.name}<//>` : html`${of.kind} ${of.name}`;
}

function Failed({ names }) {
  const rows = Object.entries(names || {}).sort((one, other) => other[1] - one[1]).slice(0, 10);
  if (!rows.length) return null;
  return html`<${Panel} title="Failures by name"><${Bars} caption="Among the tasks that are kept" rows=${rows.map(([name, many]) => [name, many, "bad"])} /><//>`;
}

export async function revoke(one, isTerminating) {
  const done = await confirm({
    tier: isTerminating ? 3 : 2, title: isTerminating ? "Terminate a running task" : "Revoke a task", verb: isTerminating ? "Terminate" : "Revoke", danger: true,
    typed: isTerminating ? one.task_id.slice(0, 8) : undefined,
    text: isTerminating ? `The process that runs ${one.name} is killed. What it has begun stays half done, and another task may be in the same process by then.` : `${one.name} will not be started by the workers that hear of it. One that runs already goes on.`,
    fields: [...(isTerminating ? [{ name: "signal", label: "Signal", kind: "select", value: "SIGTERM", options: [["SIGTERM", "SIGTERM: may clean up"], ["SIGKILL", "SIGKILL: at once"]] }] : []), REASON],
    run: ({ signal, reason }) => send(path`/api/tasks/${one.task_id}/revoke`, { terminate: isTerminating, reason, ...(isTerminating ? { signal } : {}) }),
  });
  if (done) toast(`${isTerminating ? "Terminating" : "Revoked"} ${one.name}${done.heard_by === null ? "" : `; ${count(done.heard_by)} workers heard`}`);
}

export async function retry(one) {
  const done = await confirm({
    tier: 2, title: "Run again", verb: "Run again", text: `${one.name} is sent once more, with the same arguments, under a new id.`, fields: [OPTIONAL_REASON],
    run: ({ reason }) => send(path`/api/tasks/${one.task_id}/retry`, { reason }),
  });
  if (done) toast(`Sent as ${done.task_id}`);
  return done;
}

export const TASK_ACTIONS = [
  { name: "retry", label: "Run again…", act: retry },
  { name: "revoke", label: "Revoke…", act: (one) => revoke(one, false) },
  { name: "terminate", label: "Terminate…", danger: true, more: true, act: (one) => revoke(one, true) },
];
export const TaskActions = ({ of, size }) => html`<${Actions} of=${of} list=${TASK_ACTIONS} size=${size} />`;
