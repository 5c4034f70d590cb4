// All entries: find one, see whether it keeps its promise, act on one or many.
import { Actions } from "./actions.js";
import { send } from "./api.js";
import { confirm, OPTIONAL_REASON } from "./dialog.js";
import { classes, Fragment, html, useEffect, useState } from "./dom.js";
import { Choice, Filters, Search, Views } from "./filters.js";
import { count, plural, span, Time } from "./format.js";
import { ScreenHead } from "./frame.js";
import { HeldBand } from "./hold.js";
import { onRowAction } from "./keyboard.js";
import { Recent, State, Tag } from "./marks.js";
import { Link, navigate, to, useQuery } from "./router.js";
import { bulk, scheduleActions } from "./schedule_actions.js";
import { session } from "./session.js";
import { Empty, Loaded, NoMatch } from "./states.js";
import { usePages } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

const DEFAULTS = { sort: "next", descending: "", limit: 100 };
const FILTERS = ["text", "state", "source", "queue", "changed", "within_s"];
const VIEWS = [["All", {}], ["Trouble", { state: "trouble" }], ["Next hour", { within_s: "3600" }], ["Paused", { state: "paused" }], ["Changed", { changed: "true" }]];
const STATES = [["", "any"], ["on", "on"], ["paused", "paused"], ["trouble", "in trouble"], ["waiting", "waiting"], ["disabled", "disabled"], ["wrong", "wrong"], ["over", "over"], ["stray", "stray"]];
const SOURCES = [["", "any"], ["site", "site file"], ["app", "application"], ["django", "database"], ["added", "added here"]];
const TOML = '[schedule.nightly]\ntask = "apps.reports.tasks.nightly"\ncron = "0 2 * * *"\nqueue = "batch"';

/** The one word an entry is judged by: its own state, and while it is on how its last run went. */
export const wordOf = (row) => (row.state !== "on" || (row.health === "unknown" && !row.last) ? row.state : row.health);

export function Schedules() {
  const [query, change] = useQuery(DEFAULTS);
  const asked = Object.fromEntries(["limit", "sort", ...FILTERS].map((name) => [name, query[name]]));
  const pages = usePages("/api/schedule", { query: { ...asked, descending: query.descending || undefined }, topics: ["schedule"], every: 30_000 });
  const [selected, select] = useState(new Set());
  const actions = scheduleActions(pages.reload);
  useEffect(() => onRowAction(actions, (key) => pages.items?.find((row) => row.id === key)), [pages.items]);
  const done = () => {
    select(new Set());
    pages.reload();
  };
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query[name]]));
  const isFiltered = FILTERS.some((name) => query[name]);
  return html`<${Fragment}>
    <${ScreenHead} title="Schedules" beside=${pages.first && plural(pages.first.counts.all, "entry", "entries")}>
      ${pages.first?.allowed_actions.includes("add") && html`<button type="button" class="button small" onClick=${() => add(pages.reload)}>New entry…</button>`}<//>
    <${HeldBand} held=${pages.first?.held} onChange=${pages.reload} />
    <${Views} views=${VIEWS} names=${["state", "changed", "within_s"]} query=${query} onChange=${change} />
    <${Filters}>
      <${Search} label="Name, task or note" value=${query.text} onChange=${change} />
      <${Choice} label="State" name="state" value=${query.state} options=${STATES} onChange=${change} />
      <${Choice} label="Comes from" name="source" value=${query.source} options=${SOURCES} onChange=${change} />
      <${Search} label="Queue" name="queue" value=${query.queue} onChange=${change} />
    <//>
    <${Loaded} resource=${pages} rows=${10}>${(first) => {
      if (!first.counts.all) return html`<${Empty} title="No schedules yet" toml=${TOML} shell="carillon check -c site.toml" more=${html`Entries of celery beat come over with <code>carillon import</code>.`}>Put an entry into the site file, have it checked, and start the daemon anew:<//>`;
      if (!pages.items.length) return isFiltered ? html`<${NoMatch} filters=${filters} all=${first.counts.all} onChange=${change} />` : html`<${Empty} title="Nothing here" />`;
      return html`<${Fragment}>
        ${!first.is_complete && html`<p class="stale-note">▲ The broker is away, or there are more entries than are listed: changes made at run time are shown as they were last known.</p>`}
        <${Table} caption="Entries of the schedule" columns=${columns(actions)} rows=${pages.items} keyOf=${(row) => row.id} link=${(row) => to`/schedules/${row.id}`}
          sort=${{ by: query.sort, isDescending: query.descending === "true" }} onSort=${(by, isDescending) => change({ sort: by, descending: isDescending ? "true" : "" })}
          selected=${first.allowed_actions.includes("bulk") ? selected : undefined} onSelect=${select} rowTone=${toneOfRow} below=${(row) => below(row, actions)} />
        <${More} pages=${pages} noun="entry" />
      <//>`;
    }}<//>
    ${selected.size > 0 && html`<div class="selection" role="region" aria-label="Selected entries"><strong>${plural(selected.size, "entry", "entries")} selected</strong>
      ${["pause", "resume", "trigger"].map((action) => html`<button key=${action} type="button" class="button small" onClick=${() => bulk(action, { ids: [...selected] }, done)}>${{ pause: "Pause…", resume: "Resume…", trigger: "Run now…" }[action]}</button>`)}
      <button type="button" class="button small" onClick=${() => select(new Set())}>Clear</button></div>`}
    ${selected.size === 0 && isFiltered && pages.first?.allowed_actions.includes("bulk") && pages.total > 1 && html`<p class="more">All ${count(pages.total)} that match:
      ${["pause", "resume"].map((action) => html`<button key=${action} type="button" class="button small" onClick=${() => bulk(action, { filter: matching(query) }, done)}>${action === "pause" ? "Pause…" : "Resume…"}</button>`)}</p>`}
  <//>`;
}

const matching = (query) => ({ text: query.text || "", state: query.state ? [query.state] : [], source: query.source ? [query.source] : [], queue: query.queue || "", task: "" });
const toneOfRow = (row) => (row.state === "wrong" || row.problem ? "bad" : row.state === "paused" ? "skipped" : row.state === "on" && ["missed", "failed"].includes(row.health) ? "late" : row.state === "on" ? "" : "quiet");

function columns(actions) {
  const zone = session.get().zone;
  return [
    { name: "state", label: "State", of: (row) => html`<${State} of=${wordOf(row)} />` },
    { name: "name", label: "Name", sort: "name", isHead: true, of: (row) => html`<${Link} to=${to`/schedules/${row.id}`}>${row.name}<//>${row.is_changed && html` <${Tag} title="Changed here; differs from where it comes from">changed<//>`}` },
    { name: "schedule", label: "Fires", of: (row) => html`<span title=${row.schedule.expression}>${row.schedule.words}</span>${row.schedule.zone && row.schedule.zone !== zone && html` <span class="muted">${row.schedule.zone}</span>`}` },
    { name: "next", label: "Next", sort: "next", of: (row) => html`<${Time} at=${row.next_at} away none=${row.state === "paused" ? "paused" : "never"} />` },
    { name: "last", label: "Last", sort: "last", of: (row) => row.last && html`<${Time} at=${row.last.due_at} /> <span class="muted">${row.last.outcome}</span>` },
    { name: "lateness", label: "Late (p95)", sort: "lateness", number: true, wide: true, hint: "Of the last 24 hours", of: (row) => row.lateness_p95_s !== null && span(row.lateness_p95_s) },
    { name: "recent", label: "Last 20", sort: "failures", hint: "Oldest first; sorted by failures of the last 24 hours", wide: true, of: (row) => html`<${Recent} outcomes=${row.recent} />` },
    { name: "queue", label: "Queue", wide: true, of: (row) => row.queue && html`<${Link} to=${to`/queues/${row.queue}`}>${row.queue}<//>` },
    { name: "source", label: "From", wide: true, of: (row) => row.source },
    { name: "act", label: "", of: (row) => html`<${Actions} list=${actions} of=${row} isFolded />` },
  ];
}

/** The line under a row: why it does not run, and the buttons to change that. */
function below(row, actions) {
  const front = actions.filter((action) => (row.state === "on" ? [] : ["resume"]).includes(action.name));
  if (row.problem) return html`<p class="note edge-bad">${row.problem} <${Link} to=${to`/schedules/${row.id}`}>Look at it<//></p>`;
  if (row.paused) {
    return html`<p class="note edge-skipped line"><span>“${row.paused.note}” by ${row.paused.by}${row.paused.since_at && html` since <${Time} at=${row.paused.since_at} />`}${row.paused.until_at && html`, until <${Time} at=${row.paused.until_at} away />`}</span><${Actions} list=${front} of=${row} /></p>`;
  }
  if (row.waits_since_at) return html`<p class="note edge-late">An occurrence waits since <${Time} at=${row.waits_since_at} away />.</p>`;
  return null;
}

async function add(done) {
  const added = await confirm({
    tier: 2, title: "New entry", verb: "Add", text: "Is kept beside the site file, and can be changed and deleted here.",
    fields: [
      { name: "name", label: "Name", required: true, isMono: true }, { name: "task", label: "Task", required: true, isMono: true, placeholder: "apps.reports.tasks.nightly" },
      { name: "kind", label: "Fires by", kind: "select", value: "cron", options: [["cron", "cron expression"], ["every", "interval"]] },
      { name: "when", label: "When", required: true, isMono: true, hint: "0 2 * * * for a cron expression, 5m for an interval" }, { name: "queue", label: "Queue", isMono: true }, OPTIONAL_REASON,
    ],
    preview: async (values) => (values.when && values.task ? fires(await send("/api/schedule/preview", { set: entryOf(values) })) : html`<p class="hint">The next five fires are shown here.</p>`),
    run: (values) => send("/api/schedule", { name: values.name.trim(), entry: entryOf(values), reason: values.reason }),
  });
  if (!added) return;
  toast(`Added ${added.row.name}`);
  done();
  navigate(to`/schedules/${added.row.id}`);
}

const entryOf = ({ task, kind, when, queue }) => ({ task: task.trim(), [kind]: when.trim(), ...(queue.trim() ? { options: { queue: queue.trim() } } : {}) });

/** The next fires of a preview, or what is wrong. */
export function fires(found) {
  if (found.problems.length) return html`<ul>${found.problems.map((one) => html`<li class="tone-bad">${one.detail} <span class="hint">${one.hint}</span></li>`)}</ul>`;
  return html`<p>${found.words}</p><ul class=${classes("muted")}>${found.after.map((one) => html`<li><${Time} at=${one.at} away /> ${one.note}</li>`)}</ul>`;
}
