// Queues: what waits, who takes it, how fast. Purging sets aside; it can be undone for a day.
import { Actions } from "./actions.js";
import { path, request, send } from "./api.js";
import { confirm, OPTIONAL_REASON, REASON } from "./dialog.js";
import { Fragment, html } from "./dom.js";
import { Choice, Filters, Search } from "./filters.js";
import { count, plural, rate, span } from "./format.js";
import { ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { Spark } from "./picture.js";
import { Link, to, useQuery } from "./router.js";
import { Empty, Loaded, NoMatch } from "./states.js";
import { usePages } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

export function Queues() {
  const [query, change] = useQuery({});
  const asked = { state: query.state, text: query.text };
  const pages = usePages("/api/queues", { query: { ...asked, limit: 200 }, topics: ["queues"], every: 10_000 });
  const first = pages.first;
  return html`<${Fragment}>
    <${ScreenHead} title="Queues" beside=${first && html`<span class="muted">${count(first.unacked_total)} taken and not yet acknowledged</span>`} />
    ${first && !first.is_complete && html`<p class="note edge-late">Not every worker answered in time, so consumers may be missing.</p>`}
    <${Filters}>
      <${Search} label="Name" value=${query.text} onChange=${change} />
      <${Choice} label="State" name="state" value=${query.state} onChange=${change} options=${[["", "any"], ...["no consumer", "growing", "stuck", "held", "blocked", "ok"].map((one) => [one, one])]} />
    <//>
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${pages.items.length ? html`<${Table} caption="Queues" columns=${COLUMNS} rows=${pages.items} keyOf=${(one) => one.name} link=${(one) => to`/queues/${one.name}`} rowTone=${(one) => ({ "no consumer": one.waiting ? "bad" : "late", stuck: "bad", blocked: "bad", growing: "late", held: "skipped" })[one.state]} />`
        : Object.values(asked).some(Boolean) ? html`<${NoMatch} filters=${asked} onChange=${change} />`
        : html`<${Empty} title="No queue is known yet" shell="celery -A yourapp worker">Queues are known from the schedule, from routes of feeds, and from workers that take from them.<//>`}
      <${More} pages=${pages} noun="queue" />
    <//>`}<//>
  <//>`;
}

const fed = (one) => [one.entries ? plural(one.entries, "entry", "entries") : "", ...one.feeds].filter(Boolean).join(", ");
const COLUMNS = [
  { name: "name", label: "Queue", isHead: true, of: (one) => html`<${Link} to=${to`/queues/${one.name}`}>${one.name}<//>` },
  { name: "state", label: "State", of: (one) => html`<${State} of=${one.state} />` },
  { name: "waiting", label: "Waiting", number: true, of: (one) => count(one.waiting) },
  { name: "course", label: "6 hours", wide: true, of: (one) => html`<${Spark} values=${one.history.waiting} label=${`waiting in ${one.name}, 6 hours`} />` },
  { name: "oldest", label: "Oldest", number: true, of: (one) => span(one.oldest_age_s) },
  { name: "in", label: "In", number: true, wide: true, of: (one) => rate(one.in_per_min) },
  { name: "out", label: "Out", number: true, wide: true, of: (one) => rate(one.out_per_min) },
  { name: "empties", label: "Empty in", number: true, wide: true, of: (one) => (one.empties_in_s === null ? (one.waiting ? "not at this rate" : "") : span(one.empties_in_s)) },
  { name: "unacked", label: "Unacked", number: true, wide: true, of: (one) => count(one.unacked) },
  { name: "consumers", label: "Consumers", number: true, of: (one) => count(one.consumer_count) },
  { name: "fed", label: "Fed by", wide: true, of: fed },
  { name: "parked", label: "Set aside", wide: true, of: (one) => (one.parked ? html`<${Tag} tone="skipped">${one.parked}<//>` : "") },
];

const named = (what) => (plan) => html`<p>${plan.what}</p>${plan.warnings?.map((text) => html`<p class="tone-late" key=${text}>▲ ${text}</p>`)}${what || ""}`;
const asksFirst = (where, body) => async (values) => named()(await send(where, { ...body(values), dry_run: true }));

async function purge(one) {
  const where = path`/api/queues/${one.name}/purge`;
  const body = ({ reason }) => ({ confirm: one.name, reason: reason || "-" });
  const done = await confirm({
    tier: 3, title: `Purge ${one.name}`, verb: "Purge", danger: true, typed: one.name, fields: [REASON], preview: asksFirst(where, body),
    text: "What waits is set aside for 24 hours and can be put back. What workers have taken already is not touched.", run: (values) => send(where, body(values)),
  });
  if (done) toast(`Set ${plural(done.count, "message")} of ${one.name} aside`, done.token ? { undo: () => send(path`/api/queues/${one.name}/restore`, { token: done.token, reason: "undone" }) } : {});
}

async function hold(one) {
  const where = path`/api/queues/${one.name}/hold`;
  const body = ({ reason }) => ({ reason: reason || "-" });
  const done = await confirm({
    tier: 2, title: `Hold ${one.name}`, verb: "Hold", fields: [REASON], preview: asksFirst(where, body), run: (values) => send(where, body(values)),
    text: "Workers stop taking from it; what comes waits. A worker that is restarted takes again.",
  });
  if (done) toast(`${plural(done.workers.length, "worker")} no longer ${done.workers.length === 1 ? "takes" : "take"} from ${one.name}`);
}

async function resume(one) {
  const done = await confirm({ tier: 1, title: `Resume ${one.name}`, verb: "Resume", fields: [OPTIONAL_REASON], run: ({ reason }) => send(path`/api/queues/${one.name}/resume`, { reason }) });
  if (done) toast(`${plural(done.workers.length, "worker")} ${done.workers.length === 1 ? "takes" : "take"} from ${one.name} again`);
}

async function move(one) {
  const where = path`/api/queues/${one.name}/move`;
  const body = ({ to: target, count: many, reason }) => ({ to: target, count: many ? Number(many) : null, confirm: one.name, reason: reason || "-" });
  const done = await confirm({
    tier: 3, title: `Move messages of ${one.name}`, verb: "Move", danger: true, typed: one.name, run: (values) => send(where, body(values)),
    fields: [{ name: "to", label: "To the queue", required: true }, { name: "count", label: "How many (empty: all)", kind: "number", min: 1 }, REASON],
    preview: (values) => (values.to ? asksFirst(where, body)(values) : html`<p class="muted">Name the queue to see what would be moved.</p>`),
  });
  if (done) toast(`Moved ${plural(done.count, "message")} to ${done.to}`);
}

export async function restore(name, parked) {
  const done = await confirm({ tier: 2, title: `Put ${plural(parked.count, "message")} back into ${name}`, verb: "Put back", text: "They are taken before what has come since.", fields: [OPTIONAL_REASON], run: ({ reason }) => send(path`/api/queues/${name}/restore`, { token: parked.token, reason }) });
  if (done) toast(`Put ${plural(done.count, "message")} back`);
  return done;
}

export async function destroy(name, parked) {
  const done = await confirm({
    tier: 3, title: `Remove ${plural(parked.count, "message")} for good`, verb: "Remove", danger: true, typed: name, fields: [REASON], text: `They were set aside from ${name}. After this they are gone.`,
    run: async ({ reason }) => (await request(path`/api/queues/${name}/parked`, { method: "DELETE", query: { token: parked.token, confirm: name, reason } })).data,
  });
  if (done) toast(`Removed ${plural(done.count, "message")}`);
  return done;
}

const LIST = [
  { name: "hold", label: "Hold…", act: hold }, { name: "resume", label: "Resume…", act: resume },
  { name: "move", label: "Move…", more: true, danger: true, act: move }, { name: "purge", label: "Purge…", more: true, danger: true, act: purge },
];
export const QueueActions = ({ of, size }) => html`<${Actions} of=${of} list=${LIST} size=${size} />`;
