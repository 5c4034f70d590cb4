// The audit trail: who did what, with which right, from where, why, and how it stood before and after.
import { confirm } from "./dialog.js";
import { Fragment, html } from "./dom.js";
import { Choice, Filters, Search } from "./filters.js";
import { count, plural, Time } from "./format.js";
import { ScreenHead } from "./frame.js";
import { Tag } from "./marks.js";
import { useQuery } from "./router.js";
import { may, session } from "./session.js";
import { useSignal } from "./signal.js";
import { Empty, Loaded, NoMatch } from "./states.js";
import { usePages, useResource } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";
import { request } from "./api.js";

const KINDS = ["message-revealed", "messages-searched", "messages-replayed", "messages-exported", "task-revealed", "queue-revealed", "entry-changed", "entry-paused", "entry-resumed", "entry-run", "schedule-held", "schedule-released", "feed-paused", "feed-resumed",
  "task-sent", "task-revoked", "queue-purged", "queue-moved", "queue-restored", "worker-commanded", "alert-silenced", "token-added", "token-removed", "signed-in", "sign-in-refused", "access-refused", "node-refused", "daemon-started", "daemon-stopped"];
const NAMES = ["who", "kind", "about", "text"];

export function Audit() {
  useSignal(session);
  return may("admin") ? html`<${Trail} />` : html`<${Fragment}><${ScreenHead} title="Audit" /><${Empty} title="The audit trail is for admins">Sign in with a token of that role; carillon audit on the daemon's machine shows it too.<//><//>`;
}

function Trail() {
  const [query, change] = useQuery({});
  const asked = Object.fromEntries(NAMES.map((name) => [name, query[name]]));
  const pages = usePages("/api/audit", { query: { ...asked, limit: 100 }, every: 30_000 });
  const status = useResource("/api/audit/status", { isLive: false });
  return html`<${Fragment}>
    <${ScreenHead} title="Audit" beside=${status.data && html`<${Chain} status=${status.data} />`}>
      <button type="button" class="button" onClick=${() => save(asked)}>Save as CSV</button>
    <//>
    <${Filters}>
      <${Search} label="Anything" value=${query.text} onChange=${change} />
      <${Search} label="Who" name="who" value=${query.who} onChange=${change} />
      <${Choice} label="Deed" name="kind" value=${query.kind} onChange=${change} options=${[["", "any"], ...KINDS.map((one) => [one, one.replaceAll("-", " ")])]} />
      <${Search} label="About" name="about" value=${query.about} onChange=${change} />
    <//>
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${pages.items.length ? html`<${Table} caption="Deeds, the newest first" columns=${COLUMNS} rows=${pages.items} keyOf=${(one) => String(one.n)} below=${below} rowTone=${(one) => (one.outcome === "refused" ? "late" : undefined)} />`
        : Object.values(asked).some(Boolean) ? html`<${NoMatch} filters=${asked} onChange=${change} />` : html`<${Empty} title="Nothing is recorded yet">Whatever is changed or revealed from now on stands here.<//>`}
      <${More} pages=${pages} noun="deed" />
    <//>`}<//>
  <//>`;
}

const COLUMNS = [
  { name: "at", label: "When", isHead: true, of: (one) => html`<${Time} at=${one.at} seconds=${true} />` },
  { name: "who", label: "Who", of: (one) => html`${one.who || html`<span class="muted">nobody known</span>`}${one.role && html` <span class="muted">${one.role}</span>`}` },
  { name: "kind", label: "Deed", of: (one) => html`${one.kind.replaceAll("-", " ")}${one.count > 1 && ` ×${count(one.count)}`}${one.outcome === "refused" && html` <${Tag} tone="late">refused<//>`}` },
  { name: "about", label: "About", of: (one) => one.about },
  { name: "note", label: "Reason", of: (one) => [one.reason, one.note].filter(Boolean).join(": ") },
  { name: "address", label: "From", wide: true, of: (one) => one.address },
];
const below = (one) => (one.before || one.after) && html`<span class="muted change">${one.before && html`<del>${one.before}</del>`} → ${one.after && html`<ins>${one.after}</ins>`}</span>`;

function Chain({ status }) {
  if (status.is_whole) return html`<span class="tone-ok">●</span> <span class="muted">${plural(status.records, "record")}, the chain is whole; checked <${Time} at=${status.checked_at} /></span>`;
  return html`<span class="tone-bad">◆ ${plural(status.flaws.length, "place")} where the chain is broken: ${status.flaws[0] && `${status.flaws[0].file} line ${status.flaws[0].line}: ${status.flaws[0].what}`}</span>`;
}

async function save(asked) {
  const text = await confirm({ tier: 1, title: "Save the audit trail as CSV", verb: "Save", text: "What matches the filters, at most 10,000 records.", run: async () => (await request("/api/audit", { query: { ...asked, format: "csv" }, accept: "text/csv" })).data });
  if (text === undefined) return;
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  Object.assign(document.createElement("a"), { href: url, download: "audit.csv" }).click();
  URL.revokeObjectURL(url);
  toast("Saved");
}
