// The system: how healthy it says it is, every setting in effect with where its value comes from, and who may ask.
import { path, request, send } from "./api.js";
import { confirm, OPTIONAL_REASON } from "./dialog.js";
import { Fragment, html } from "./dom.js";
import { Choice, Filters, Flag, Search } from "./filters.js";
import { Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { useQuery } from "./router.js";
import { may, session } from "./session.js";
import { useSignal } from "./signal.js";
import { Empty, Loaded, NoMatch, Snippet } from "./states.js";
import { usePages, useResource } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

export function Settings() {
  const who = useSignal(session);
  return html`<${Fragment}>
    <${ScreenHead} title="System and settings" beside=${html`<span class="muted">Carillon ${who.version}, site ${who.site}, times in ${who.zone}</span>`} />
    <${Ready} />
    <${Effective} />
    ${may("admin") && html`<${Tokens} />`}
  <//>`;
}

function Ready() {
  const ready = useResource("/readyz", { every: 15_000 });
  const body = ready.data || ready.problem?.document;
  if (!body?.checks) return html`<${Panel} title="Health"><${Loaded} resource=${ready}>${() => null}<//><//>`;
  const rows = Object.entries(body.checks).map(([name, check]) => ({ name, ...check }));
  const columns = [
    { name: "name", label: "Part", isHead: true, of: (one) => one.name },
    { name: "state", label: "State", of: (one) => html`<${State} of=${one.ok ? "ok" : "failed"} label=${one.ok ? "ok" : "not ready"} />` },
    { name: "detail", label: "In words", of: (one) => one.detail },
  ];
  return html`<${Panel} title="Health" beside=${body.status === "ready" ? "ready" : html`<span class="tone-bad">not ready</span>`}><${Table} caption="Parts of the daemon" columns=${columns} rows=${rows} keyOf=${(one) => one.name} rowTone=${(one) => (one.ok ? undefined : "bad")} /><//>`;
}

function Effective() {
  const [query, change] = useQuery({});
  const asked = { section: query.section, text: query.text, given: query.given };
  const pages = usePages("/api/settings", { query: { ...asked, limit: 200 } });
  const columns = [
    { name: "key", label: "Key", isHead: true, of: (one) => html`<span class="mono">${one.key}</span>` },
    { name: "value", label: "Value", of: (one) => (one.is_secret ? html`<span class="mono">${one.value || "••••"}</span> <${Tag}>secret<//>` : html`<span class="mono">${typeof one.value === "string" ? one.value : JSON.stringify(one.value)}</span>`) },
    { name: "source", label: "From", of: (one) => (one.source === "default" ? html`<span class="muted">default</span>` : html`${one.source} <span class="muted">${one.place}</span>`) },
  ];
  return html`<${Panel} title="Settings in effect" beside="changed in the site file; carillon check looks at it first">
    <${Filters}>
      <${Search} label="Key or value" value=${query.text} onChange=${change} />
      <${Choice} label="Section" name="section" value=${query.section} onChange=${change} options=${[["", "any"], ...(pages.first?.sections || []).map((one) => [one, one])]} />
      <${Flag} label="Only what is not by default" name="given" value=${query.given} onChange=${change} />
    <//>
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${pages.items.length ? html`<${Table} caption="Settings" columns=${columns} rows=${pages.items} keyOf=${(one) => one.key} rowTone=${(one) => (one.source === "default" ? "quiet" : undefined)} />` : html`<${NoMatch} filters=${asked} onChange=${change} />`}
      <${More} pages=${pages} noun="setting" /><//>`}<//>
  <//>`;
}

function Tokens() {
  const pages = usePages("/api/tokens", { query: { limit: 200 }, every: 30_000 });
  const columns = [
    { name: "name", label: "Name", isHead: true, of: (one) => html`${one.name} ${one.is_own && html`<${Tag}>yours<//>`}` },
    { name: "role", label: "Role", of: (one) => html`${one.role} ${one.capabilities.map((word) => html`<${Tag} key=${word} tone=${word === "phi" ? "late" : undefined}>${word}<//> `)}` },
    { name: "feeds", label: "Feeds", wide: true, of: (one) => (one.feeds ? one.feeds.join(", ") : "all") },
    { name: "made", label: "Made", wide: true, of: (one) => html`<${Time} at=${one.created_at} /> <span class="muted">by ${one.created_by}</span>` },
    { name: "ends", label: "Ends", of: (one) => (one.is_expired ? html`<span class="tone-late">ended</span>` : html`<${Time} at=${one.expires_at} none="never" away=${true} />`) },
    { name: "used", label: "Last used", of: (one) => html`<${Time} at=${one.used_at} none="not yet" away=${true} />` },
    { name: "do", label: "", of: (one) => one.allowed_actions.includes("remove") && html`<button type="button" class="button small danger-text" data-action="remove" onClick=${() => remove(one).then(pages.reload)}>Remove…</button>` },
  ];
  return html`<${Panel} title="Tokens" beside=${html`<button type="button" class="button small" onClick=${() => add().then(pages.reload)}>Add a token…</button>`}>
    <${Loaded} resource=${pages}>${() => (pages.items.length ? html`<${Table} caption="Tokens" columns=${columns} rows=${pages.items} keyOf=${(one) => one.id} />` : html`<${Empty} title="No token" shell="carillon token add NAME --role viewer" />`)}<//>
  <//>`;
}

const DAY_S = 86_400;
async function add() {
  const made = await confirm({
    tier: 2, title: "Add a token", verb: "Add", text: "Its text is shown once, and only its hash is kept.",
    fields: [
      { name: "name", label: "Name", required: true, hint: "Whom or what it is for; it stands in the audit trail." },
      { name: "role", label: "Role", kind: "select", value: "viewer", options: [["viewer", "viewer: sees, but no contents"], ["operator", "operator: steers"], ["admin", "admin: everything but contents"], ["nobody", "none: an application that sends tasks"]] },
      { name: "results", kind: "check", label: "May send tasks and see their results" },
      { name: "phi", kind: "check", label: "May see contents (each look is recorded)" },
      { name: "days", label: "Ends after days (empty: never)", kind: "number", min: 1, max: 3650, value: "365" },
      OPTIONAL_REASON,
    ],
    run: ({ name, role, results, phi, days, reason }) => send("/api/tokens", { name, role, capabilities: [...(results ? ["results"] : []), ...(phi ? ["phi"] : [])], reason, ...(days ? { expires_in_s: Number(days) * DAY_S } : {}) }),
  });
  if (!made) return;
  await confirm({ tier: 1, title: `The token of ${made.row.name}`, verb: "I have kept it", text: "Copy it now: it cannot be shown again.", preview: async () => html`<${Snippet} text=${made.token} label="Token" />`, run: async () => true });
}

async function remove(one) {
  const done = await confirm({
    tier: 3, title: `Remove the token ${one.name}`, verb: "Remove", danger: true, typed: one.name, text: "Whoever signed in with it is signed out at once, and programs that use it are refused.",
    run: async () => (await request(path`/api/tokens/${one.id}`, { method: "DELETE" }), true),
  });
  if (done) toast(`Removed ${one.name}`);
}
