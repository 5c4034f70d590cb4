// One queue: its course, what waits at its head, what was set aside.
import { path } from "./api.js";
import { Chart, most } from "./chart.js";
import { Fragment, html, useState } from "./dom.js";
import { count, plural, rate, size, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { destroy, QueueActions, restore } from "./queues.js";
import { askReveal, Revealed, useRevealed } from "./reveal.js";
import { Link, to } from "./router.js";
import { Loaded, Snippet } from "./states.js";
import { useResource } from "./store.js";
import { Facts, Table } from "./table.js";

export function Queue({ name }) {
  const resource = useResource(path`/api/queues/${name}`, { topics: ["queues"], every: 10_000 });
  const one = resource.data?.queue;
  return html`<${Fragment}>
    <${ScreenHead} title=${name} crumbs=${[["/queues", "Queues"]]} beside=${one && html`<${State} of=${one.state} />`}><${QueueActions} of=${one} size="" /><//>
    <${Loaded} resource=${resource}>${(data) => html`<${Detail} data=${data} reload=${resource.reload} />`}<//>
  <//>`;
}

function Detail({ data, reload }) {
  const one = data.queue;
  const { minutes } = data;
  const from = new Date(new Date(minutes.until_at) - (minutes.waiting.length - 1) * minutes.every_s * 1_000).toISOString();
  const waiting = minutes.waiting.map((value) => value ?? 0);
  return html`<${Fragment}>
    ${data.held && html`<p class="note edge-skipped">Held by ${data.held.by} since <${Time} at=${data.held.since_at} />: ${data.held.reason}</p>`}
    ${one.state === "no consumer" && html`<div class="note edge-bad"><p>No worker takes from it${one.waiting ? `, and ${plural(one.waiting, "message")} ${one.waiting === 1 ? "waits" : "wait"}` : ""}. Start one:</p><${Snippet} text=${`celery -A yourapp worker -Q ${one.name}`} label="Command" /></div>`}
    ${one.state === "stuck" && html`<p class="note edge-bad">Workers are there and take nothing: look at what they run (${one.consumers.map((worker) => html`<${Link} key=${worker} to=${to`/workers/${worker}`}>${worker}<//> `)}).</p>`}
    ${one.state === "blocked" && html`<p class="note edge-bad">Its key in the broker holds something else than a list. No worker can take from it until that is moved away.</p>`}
    <${Panel} title="How it stands"><${Facts} facts=${[
      ["Waiting", count(one.waiting)], ["Oldest", one.oldest_age_s !== null && span(one.oldest_age_s)], ["Taken, not acknowledged", count(one.unacked)], ["In", rate(one.in_per_min)], ["Out", rate(one.out_per_min)],
      ["Empty in", one.empties_in_s !== null ? span(one.empties_in_s) : one.waiting ? "not at this rate" : null], ["Consumers", one.consumers.length > 0 && one.consumers.map((worker) => html`<${Link} key=${worker} to=${to`/workers/${worker}`}>${worker}<//> `)],
      ["By priority", one.bands.length > 1 && one.bands.map((band) => `${band.step}: ${count(band.waiting)}`).join(", ")],
      ["Entries", one.entry_names.length > 0 && html`${one.entry_names.map((entry) => html`<${Link} key=${entry} to=${to`/schedules/${entry}`}>${entry}<//> `)}${one.entries > one.entry_names.length && `and ${count(one.entries - one.entry_names.length)} more`}`],
      ["Feeds", one.feeds.length > 0 && one.feeds.map((feed) => html`<${Link} key=${feed} to=${to`/feeds/${feed}`}>${feed}<//> `)]]} /><//>
    <${Panel}><${Chart} title="Waiting, 6 hours" from=${from} step=${minutes.every_s} series=${[{ label: "waiting", values: waiting, tone: "accent" }]} join=${most} /><//>
    <${Head} one=${one} />
    ${data.parked.length > 0 && html`<${Parked} name=${one.name} rows=${data.parked} actions=${one.allowed_actions} reload=${reload} />`}
  <//>`;
}

/** What is taken next: names, ids and ages; bodies are behind a reveal. */
function Head({ one }) {
  const [isOpen, open] = useState(false);
  const [shown, show, hide] = useRevealed();
  const [of, setOf] = useState("");
  const peek = useResource(isOpen && one.allowed_actions.includes("peek") ? path`/api/queues/${one.name}/peek` : "", { query: { limit: 50 }, every: 10_000 });
  const look = async (row) => {
    const got = await askReveal({ title: `Reveal arguments of ${row.task}`, where: path`/api/queues/${one.name}/reveal`, body: { task_id: row.task_id } });
    if (!got) return;
    setOf(row.task_id);
    show(got.is_readable ? JSON.stringify({ args: got.args, kwargs: got.kwargs }, null, 2) : `It cannot be read: ${got.why}`);
  };
  const columns = [
    { name: "task", label: "Task", isHead: true, of: (row) => html`<${Link} to=${to`/tasks/${row.task_id}`}>${row.task || "(no Celery message)"}<//>` },
    { name: "id", label: "Id", wide: true, of: (row) => html`<span class="mono">${row.task_id}</span>` },
    { name: "age", label: "Age", number: true, of: (row) => span(row.age_s) },
    { name: "size", label: "Size", number: true, of: (row) => size(row.size_bytes) },
    { name: "priority", label: "Priority", number: true, wide: true, of: (row) => row.priority },
    { name: "notes", label: "Notes", of: (row) => html`${row.retries > 0 && html`<${Tag}>retry ${row.retries}<//>`} ${row.is_redelivered && html`<${Tag} tone="late">redelivered<//>`} ${!row.is_readable && html`<${Tag} tone="bad">not readable<//>`}` },
    ...(one.allowed_actions.includes("reveal") ? [{ name: "contents", label: "Contents", of: (row) => html`<button type="button" class="button small" onClick=${() => look(row)}>Reveal…</button>` }] : []),
  ];
  return html`<${Panel} title="What is taken next">
    ${!isOpen ? html`<button type="button" class="button" onClick=${() => open(true)}>Look into the queue</button>`
      : html`<${Loaded} resource=${peek}>${(data) => (data.items.length ? html`<${Table} caption="The head of the queue" columns=${columns} rows=${data.items} keyOf=${(row) => row.task_id} />` : html`<p class="muted">Nothing waits.</p>`)}<//>`}
    ${shown !== null && html`<${Revealed} text=${shown} label=${`Arguments of ${of}`} onHide=${hide} />`}<//>`;
}

function Parked({ name, rows, actions, reload }) {
  const columns = [
    { name: "parked", label: "Set aside", isHead: true, of: (row) => html`<${Time} at=${row.parked_at} seconds=${true} />` },
    { name: "count", label: "Messages", number: true, of: (row) => count(row.count) },
    { name: "until", label: "Kept until", of: (row) => html`<${Time} at=${row.kept_until_at} away=${true} />` },
    { name: "do", label: "", of: (row) => html`<span class="actions">
      ${actions.includes("restore") && html`<button type="button" class="button small" data-action="restore" onClick=${() => restore(name, row).then(reload)}>Put back…</button>`}
      ${actions.includes("destroy") && html`<button type="button" class="button small danger-text" data-action="destroy" onClick=${() => destroy(name, row).then(reload)}>Remove…</button>`}</span>` },
  ];
  return html`<${Panel} title="Set aside"><${Table} caption="Messages that were purged and are kept for a day" columns=${columns} rows=${rows} keyOf=${(row) => row.token} /><//>`;
}
