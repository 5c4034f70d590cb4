// One worker: what it does now, what it knows, how it is set.
import { path } from "./api.js";
import { Fragment, html } from "./dom.js";
import { count, plural, size, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { Bars, Gauge } from "./picture.js";
import { Link, to } from "./router.js";
import { Loaded } from "./states.js";
import { useResource } from "./store.js";
import { Facts, Table } from "./table.js";
import { WorkerActions } from "./workers.js";

export function Worker({ hostname }) {
  const resource = useResource(path`/api/nodes/${hostname}`, { topics: ["workers"], every: 10_000 });
  const node = resource.data?.node;
  return html`<${Fragment}>
    <${ScreenHead} title=${hostname} crumbs=${[["/workers", "Workers"]]} beside=${node && html`<${State} of=${node.state} />`}><${WorkerActions} of=${node} size="" /><//>
    <${Loaded} resource=${resource}>${(data) => html`<${Detail} data=${data} />`}<//>
  <//>`;
}

const HELD = [
  { name: "task", label: "Task", isHead: true, of: (one) => html`<${Link} to=${to`/tasks/${one.task_id}`}>${one.name}<//>` },
  { name: "queue", label: "Queue", of: (one) => one.queue && html`<${Link} to=${to`/queues/${one.queue}`}>${one.queue}<//>` },
  { name: "since", label: "Since", of: (one) => html`<${Time} at=${one.started_at} seconds=${true} />` },
  { name: "running", label: "Running", number: true, of: (one) => span(one.running_s) },
  { name: "eta", label: "Not before", wide: true, of: (one) => one.eta_at && html`<${Time} at=${one.eta_at} />` },
  { name: "notes", label: "Notes", wide: true, of: (one) => html`${!one.is_acknowledged && html`<${Tag} title="Given back to the queue if the worker dies">late ack<//>`} ${one.is_redelivered && html`<${Tag} tone="late">redelivered<//>`}` },
];

function Held({ title, rows, none }) {
  return html`<${Panel} title=${`${title}: ${count(rows.length)}`}>
    ${rows.length ? html`<${Table} caption=${title} columns=${HELD} rows=${rows.slice(0, 200)} keyOf=${(one) => one.task_id} link=${(one) => to`/tasks/${one.task_id}`} />` : html`<p class="muted">${none}</p>`}<//>`;
}

function Detail({ data }) {
  const { node } = data;
  const totals = Object.entries(data.totals || {}).sort((one, other) => other[1] - one[1]).slice(0, 15);
  const registered = [
    { name: "name", label: "Task", isHead: true, of: (one) => html`<span class="mono">${one.name}</span>` },
    { name: "rate", label: "Rate limit", of: (one) => one.rate_limit },
  ];
  return html`<${Fragment}>
    ${node.state === "silent" && html`<p class="note edge-late">It neither answers nor was heard lately: it may be stuck, cut off, or killed. What it holds is given back by the broker after its visibility timeout.</p>`}
    ${node.state === "offline" && html`<p class="note">It said goodbye, or has been silent for more than ten minutes. Last heard <${Time} at=${node.heard_at} away=${true} />.</p>`}
    <div class="columns">
      <${Panel} title="How it stands"><${Facts} facts=${[
        ["Slots in use", node.slots && html`<${Gauge} value=${node.active} of=${node.slots} /> ${count(node.active)} of ${count(node.slots)}`], ["Prefetched", count(node.reserved)], ["Scheduled", count(node.scheduled)],
        ["Done", count(node.processed)], ["Failed", count(node.failed)], ["Revoked ids it knows", count(data.revoked)], ["Heard", html`<${Time} at=${node.heard_at} seconds=${true} away=${true} />`],
        ["Up for", node.uptime_s && span(node.uptime_s)], ["Clock", node.clock_offset_s !== null && `${span(node.clock_offset_s)} off`], ["Load", node.load?.join(" ")], ["Peak memory", node.peak_memory_bytes && size(node.peak_memory_bytes)]]} /><//>
      <${Panel} title="How it is set"><${Facts} facts=${[
        ["Celery", node.celery], ["Pool", node.pool], ["Process", node.pid], ["Children", data.processes.length > 0 && data.processes.join(", ")], ["Broker", data.broker], ["Prefetch", node.prefetch],
        ["Soft time limit", data.limits.soft_s && span(data.limits.soft_s)], ["Hard time limit", data.limits.hard_s && span(data.limits.hard_s)], ["Tasks per child", data.limits.max_tasks_per_child],
        ["Takes from", data.consumes.map((one) => html`<${Link} key=${one.name} to=${to`/queues/${one.name}`}>${one.name}<//> `)]]} /><//>
    </div>
    <${Held} title="Running" rows=${data.active} none="Nothing runs at present." />
    ${data.reserved.length > 0 && html`<${Held} title="Prefetched" rows=${data.reserved} />`}
    ${data.scheduled.length > 0 && html`<${Held} title="Waiting for their time" rows=${data.scheduled} />`}
    <div class="columns">
      <${Panel} title=${`Knows ${plural(data.registered.length, "task")}`}><div class="table-box scroll" tabindex="0" role="region" aria-label="Tasks it knows"><${Table} caption="Tasks it knows" columns=${registered} rows=${data.registered} keyOf=${(one) => one.name} isHeld=${false} /></div><//>
      ${totals.length > 0 && html`<${Panel} title="Done since it started"><${Bars} caption="By task" rows=${totals} /><//>`}
    </div>
  <//>`;
}
