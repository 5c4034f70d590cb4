// What is wrong, since when, what to do; and that somebody looked, so that silence is not taken for health.
import { Actions } from "./actions.js";
import { path, send } from "./api.js";
import { confirm, OPTIONAL_REASON, REASON, UNTIL, untilAt } from "./dialog.js";
import { Fragment, html } from "./dom.js";
import { Views } from "./filters.js";
import { count, plural, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State } from "./marks.js";
import { Link, useQuery } from "./router.js";
import { Loaded } from "./states.js";
import { usePages, useResource } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

export function Alerts() {
  const [query, change] = useQuery({ state: "" });
  const pages = usePages("/api/alerts", { query: { state: query.state, limit: 100 }, topics: ["alerts"], every: 15_000 });
  const status = useResource("/api/alerts/status", { topics: ["alerts"], every: 15_000 });
  return html`<${Fragment}>
    <${ScreenHead} title="Alerts" beside=${status.data && html`<span class="muted">${count(status.data.open)} open, ${count(status.data.silenced)} silenced; last check <${Time} at=${status.data.checked_at} seconds=${true} />, every ${span(status.data.every_s)}</span>`} />
    <${Views} query=${query} onChange=${change} names=${["state"]} views=${[["All", {}], ["Open", { state: "open" }], ["Silenced", { state: "silenced" }], ["Closed", { state: "closed" }]]} />
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${pages.items.length ? html`<${Table} caption="Alerts, the newest first" columns=${COLUMNS} rows=${pages.items} keyOf=${(one) => one.id} below=${below} rowTone=${(one) => (one.state === "open" ? { critical: "bad", warning: "late" }[one.severity] : "quiet")} />`
        : html`<p class="fine"><span class="tone-ok" aria-hidden="true">●</span> <span><strong>${query.state && query.state !== "open" ? `No alert is ${query.state}.` : "Everything is fine."}</strong> ${status.data && html`Last looked <${Time} at=${status.data.checked_at} seconds=${true} away=${true} />.`}</span></p>`}
      <${More} pages=${pages} noun="alert" />
    <//>`}<//>
    <${Channels} resource=${status} />
  <//>`;
}

const COLUMNS = [
  { name: "what", label: "What", isHead: true, of: (one) => html`<${State} of=${one.severity} /> ${one.what}` },
  { name: "where", label: "Where", of: (one) => (one.link ? html`<${Link} to=${one.link}>${one.where}<//>` : one.where) },
  { name: "since", label: "Since", of: (one) => html`<${Time} at=${one.since_at} away=${true} />` },
  { name: "count", label: "Seen", number: true, wide: true, of: (one) => `×${count(one.count)}` },
  { name: "state", label: "State", of: (one) => html`<${State} of=${one.state} />` },
  { name: "told", label: "Told to", wide: true, of: (one) => one.notified.join(", ") },
  { name: "do", label: "", of: (one) => html`<${Actions} of=${one} list=${LIST} />` },
];

const below = (one) => html`<span class="muted">${one.detail} ${one.step && html`<b>${one.step}</b>`}
  ${one.acknowledged && html` Seen by ${one.acknowledged.who}${one.acknowledged.note && `: ${one.acknowledged.note}`}.`}
  ${one.silence && html` Silenced by ${one.silence.who} until <${Time} at=${one.silence.until_at} />: ${one.silence.reason}.`}
  ${one.closed_at && html` Over since <${Time} at=${one.closed_at} />.`}</span>`;

const LIST = [
  { name: "acknowledge", label: "Acknowledge…", act: async (one) => {
    const done = await confirm({ tier: 1, title: `Acknowledge: ${one.what}, ${one.where}`, verb: "Acknowledge", text: "Others see that somebody looks after it.", fields: [{ ...OPTIONAL_REASON, name: "note", label: "Note (may be left out)" }], run: ({ note }) => send(path`/api/alerts/${one.id}/acknowledge`, { note }) });
    if (done) toast(`Acknowledged ${one.what}`);
  } },
  { name: "silence", label: "Silence…", act: async (one) => {
    const done = await confirm({
      tier: 1, title: `Silence: ${one.what}, ${one.where}`, verb: "Silence", text: "Nobody is told of it until then; it stays in this list.", fields: [REASON, { ...UNTIL, value: "4", options: UNTIL.options.slice(1) }],
      run: ({ reason, until_at }) => send(path`/api/alerts/${one.id}/silence`, { reason, until_at: untilAt(until_at) }),
    });
    if (done) toast(`Silenced ${one.what}`, { undo: () => send(path`/api/alerts/${one.id}/unsilence`) });
  } },
  { name: "unsilence", label: "Unsilence", act: (one) => send(path`/api/alerts/${one.id}/unsilence`).then(() => toast(`${one.what} is told of again`)).catch((problem) => toast(problem.message, { tone: "bad" })) },
];

function Channels({ resource }) {
  const rows = resource.data?.channels;
  if (!rows) return null;
  const test = (one) => send(path`/api/alerts/channels/${one.name}/test`).then(() => toast(`A test goes to ${one.where}; it stands here when it arrived`)).catch((problem) => toast(`${problem.message} ${problem.hint}`, { tone: "bad" }));
  const columns = [
    { name: "name", label: "Channel", isHead: true, of: (one) => one.name },
    { name: "where", label: "To", of: (one) => one.where },
    { name: "ok", label: "Last arrived", of: (one) => html`<${Time} at=${one.last_ok_at} none="not yet" />` },
    { name: "failed", label: "Last failed", of: (one) => one.last_failed_at && html`<${Time} at=${one.last_failed_at} /> <span class="tone-bad">${one.reason}</span>` },
    { name: "do", label: "", of: (one) => html`<${Actions} of=${one} list=${[{ name: "test", label: "Send a test", act: test }]} />` },
  ];
  return html`<${Panel} title="Who is told" beside=${plural(rows.length, "channel")}>
    ${rows.length ? html`<${Table} caption="Channels" columns=${columns} rows=${rows} keyOf=${(one) => one.name} />` : html`<p class="muted">Nobody: alerts are shown here and in the log alone. The section [watch] of the site file names a webhook or an address for e-mail.</p>`}<//>`;
}
