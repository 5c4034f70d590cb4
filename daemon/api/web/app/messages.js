// Stored messages: did it come, what was answered, where did it go. Contents are not in this list.
import { Actions } from "./actions.js";
import { request, send } from "./api.js";
import { confirm, REASON } from "./dialog.js";
import { Fragment, html, useEffect, useState } from "./dom.js";
import { Choice, Filters, Flag, Search, Views } from "./filters.js";
import { moment, plural, size, Time } from "./format.js";
import { ScreenHead } from "./frame.js";
import { onRowAction } from "./keyboard.js";
import { State, Tag } from "./marks.js";
import { Link, to, useQuery } from "./router.js";
import { may, session } from "./session.js";
import { useSignal } from "./signal.js";
import { Empty, Loaded, NoMatch } from "./states.js";
import { usePages } from "./store.js";
import { More, Table } from "./table.js";
import { toast } from "./toast.js";

const SPANS = [["1", "last hour"], ["4", "last 4 hours"], ["24", "last day"], ["168", "last week"], ["720", "last 30 days"]];
const STATES = ["waiting", "enqueued", "parked", "quarantined", "filtered", "batch"].map((one) => [one, one]);
const NAMES = ["feed", "type", "event", "state", "control_id", "application", "facility", "code", "peer", "errors_only"];
const MINUTE_MS = 60_000;

/** From when: whole minutes, so that the same question is asked until the minute is over. */
const sinceOf = (hours) => new Date(Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - Number(hours) * 3_600_000).toISOString();

export function Messages() {
  const [query, change] = useQuery({ hours: "1" });
  const [since, setSince] = useState(() => sinceOf(query.hours));
  useEffect(() => setSince(sinceOf(query.hours)), [query.hours]);
  const asked = Object.fromEntries(NAMES.map((name) => [name, query[name]]));
  const pages = usePages("/api/messages", { query: { ...asked, since: query.control_id ? "" : since, limit: 100 }, topics: ["messages"] });
  const [selected, select] = useState(new Set());
  const [found, setFound] = useState(null);
  const who = useSignal(session);
  useEffect(() => onRowAction(LIST, (key) => pages.items?.find((one) => String(one.sequence) === key)), [pages.items]);
  const items = found ? found.items : pages.items;
  const chosen = (items || []).filter((one) => selected.has(String(one.sequence)));
  return html`<${Fragment}>
    <${ScreenHead} title="Messages" beside=${pages.first && html`<span class="muted">since ${moment(pages.first.since_at || since)}</span>`}>
      ${who.may_reveal && html`<button type="button" class="button" onClick=${() => searchPatient(query, since, setFound)}>Search by patient…</button>`}
    <//>
    ${found && html`<p class="note edge-late line">Found by a search for a patient, which is on the record. <button type="button" class="button small" onClick=${() => setFound(null)}>Back to all messages</button></p>`}
    <${Views} query=${query} onChange=${change} names=${["state", "errors_only"]} views=${[["All", {}], ["Errors only", { errors_only: "true" }], ["Waiting", { state: "waiting" }], ["Parked", { state: "parked" }], ["Quarantined", { state: "quarantined" }]]} />
    <${Filters}>
      <${Search} label="Control id" name="control_id" value=${query.control_id} onChange=${change} />
      <${Choice} label="Time" name="hours" value=${query.hours} onChange=${change} options=${SPANS} />
      <${Choice} label="State" name="state" value=${query.state} onChange=${change} options=${[["", "any"], ...STATES]} />
      <${Search} label="Feed" name="feed" value=${query.feed} onChange=${change} />
      <${Search} label="Type" name="type" value=${query.type} onChange=${change} placeholder="ADT" />
      <${Search} label="Event" name="event" value=${query.event} onChange=${change} placeholder="A08" />
      <${Search} label="Sender" name="application" value=${query.application} onChange=${change} />
      <${Choice} label="Answer" name="code" value=${query.code} onChange=${change} options=${[["", "any"], ["AA", "AA"], ["AE", "AE"], ["AR", "AR"], ["CA", "CA"], ["CE", "CE"], ["CR", "CR"]]} />
      <${Flag} label="Errors only" name="errors_only" value=${query.errors_only} onChange=${change} />
    <//>
    <${Loaded} resource=${pages}>${() => html`<${Fragment}>
      ${items.length ? html`<${List} items=${items} selected=${selected} onSelect=${select} />` : pages.hasMore ? html`<p class="muted">None among the newest; older ones are not looked at yet.</p>` : html`<${Nothing} query=${query} change=${change} asked=${asked} />`}
      ${!found && html`<${More} pages=${{ ...pages, items: items.length ? items : [{}] }} noun="message" />`}
    <//>`}<//>
    ${chosen.length > 0 && html`<div class="selection" role="region" aria-label="Selected messages"><span>${plural(chosen.length, "message")} selected</span>
      <${Actions} of=${null} allowed=${common(chosen)} list=${[
        { name: "replay", label: "Replay…", act: () => replay(chosen.map((one) => one.sequence)).then((done) => done && select(new Set())) },
        { name: "release", label: "Release…", act: () => release(chosen.map((one) => one.sequence)).then((done) => done && select(new Set())) },
        { name: "export", label: "Export de-identified…", act: () => exportThem(chosen.map((one) => one.sequence)) },
      ]} />
      <button type="button" class="button small" onClick=${() => select(new Set())}>Clear</button></div>`}
  <//>`;
}

const common = (chosen) => ["replay", "release", "export"].filter((name) => chosen.every((one) => one.allowed_actions.includes(name)));

const COLUMNS = [
  { name: "received", label: "Received", isHead: true, of: (one) => html`<${Link} to=${to`/messages/${one.sequence}`}><${Time} at=${one.received_at} seconds=${true} /><//>` },
  { name: "feed", label: "Feed", of: (one) => html`<${Link} to=${to`/feeds/${one.feed}`}>${one.feed}<//>` },
  { name: "type", label: "Type", of: (one) => `${one.type}${one.event ? `^${one.event}` : ""}` },
  { name: "control", label: "Control id", of: (one) => html`<span class="mono">${one.control_id}</span>` },
  { name: "sender", label: "Sender", wide: true, of: (one) => [one.application, one.facility].filter(Boolean).join(" / ") },
  { name: "size", label: "Size", wide: true, number: true, of: (one) => size(one.size_bytes) },
  { name: "state", label: "State", of: (one) => html`<span class="line"><${State} of=${one.state} />${one.reason && html`<span class="muted">${one.reason}</span>`}</span>` },
  { name: "answer", label: "Answer", of: (one) => (one.is_answer_pending ? html`<span class="muted">pending</span>` : one.code) },
  { name: "flags", label: "Notes", wide: true, of: (one) => one.flags.map((flag) => html`<${Tag} key=${flag}>${flag}<//> `) },
];

const LIST = [{ name: "replay", label: "Replay…", act: (one) => replay([one.sequence]) }];

function List({ items, selected, onSelect }) {
  return html`<${Table} caption="Messages, the newest first" columns=${COLUMNS} rows=${items} keyOf=${(one) => String(one.sequence)} link=${(one) => to`/messages/${one.sequence}`}
    selected=${may("operator") ? selected : undefined} onSelect=${onSelect}
    rowTone=${(one) => (one.state === "quarantined" ? "bad" : one.state === "parked" ? "late" : undefined)} />`;
}

function Nothing({ query, change, asked }) {
  if (Object.values(asked).some((value) => value)) return html`<${NoMatch} filters=${asked} onChange=${change} />`;
  return html`<${Empty} title=${`No message in the ${SPANS.find(([hours]) => hours === query.hours)?.[1] || "time asked for"}`}
    toml=${'[feed.adt]\nlisten = "0.0.0.0:2575"\n\n[[feed.adt.route]]\ntype = "ADT"\ntask = "app.tasks.handle_adt"'}
    shell="carillon hl7 simulate --count 10 localhost:2575">A longer time may hold some. Without a feed there are none: these lines make one, and the command sends it something.<//>`;
}

async function searchPatient(query, since, setFound) {
  const found = await confirm({
    tier: 2, title: "Search by patient", verb: "Search", text: "The search itself is written to the audit trail. What you type stays out of the address and the log.",
    fields: [{ name: "patient", label: "Patient identifier", required: true, limit: 200 }, REASON],
    run: ({ patient, reason }) => send("/api/messages/search", { patient, reason, since, limit: 100, ...(query.feed ? { feed: query.feed } : {}) }),
  });
  if (found) setFound(found);
}

/** Ask what a replay would do, and do it; used by the message's own screen too. */
export async function replay(sequences, { toFeed = null } = {}) {
  const plan = await request("/api/messages/replay/preview", { method: "POST", body: { sequences, to_feed: toFeed } }).then((got) => got.data).catch((problem) => problem);
  if (plan instanceof Error) return void toast(`Not replayed: ${plan.message} ${plan.hint || ""}`, { tone: "bad" });
  const again = plan.enqueued_before ? `${plural(plan.enqueued_before, "of them has", "of them have")} been handed to a task before: it would run once more, under a new id.` : "None of them has been handed to a task before.";
  const done = await confirm({
    tier: plan.tier, title: `Replay ${plural(plan.count, "message")}`, verb: "Replay", danger: plan.tier === 3, typed: plan.tier === 3 ? plan.count : undefined,
    text: `Each is stored anew, as it came, and handed on by the routes of today. ${again}`,
    fields: [
      { name: "to_feed", label: "By the routes of the feed (empty: its own)", value: toFeed || "" },
      { name: "deidentify", kind: "check", label: "Replace what could name a patient first (needs another feed)" },
      { ...REASON, required: plan.count > 1 },
    ],
    run: ({ to_feed, deidentify, reason }) => send("/api/messages/replay", { sequences, to_feed: to_feed || null, deidentify, reason, confirm: plan.count }),
  });
  if (done) toast(`Replayed ${plural(Object.keys(done.stored).length, "message")}${Object.keys(done.left_out).length ? `, left out ${Object.keys(done.left_out).length}: ${Object.values(done.left_out)[0]}` : ""}`);
  return done;
}

export async function release(sequences) {
  const done = await confirm({
    tier: 2, title: `Release ${plural(sequences.length, "parked message")}`, verb: "Release", fields: [{ ...REASON, required: false }],
    text: "They are handed on in their order, by the routes of today. What parked them should be mended first.",
    run: ({ reason }) => send("/api/messages/release", { sequences, reason }),
  });
  if (done) toast(`Released ${plural(Object.keys(done.stored).length, "message")}`);
  return done;
}

export async function exportThem(sequences) {
  const text = await confirm({
    tier: 2, title: `Export ${plural(sequences.length, "message")}`, verb: "Export", text: "What could name a patient is replaced. The file is for tests and tickets; the export is recorded.",
    fields: [{ name: "format", label: "Format", kind: "select", value: "mllp", options: [["mllp", "MLLP blocks"], ["plain", "segments in lines"], ["jsonl", "JSON, a line each"]] }, REASON],
    run: ({ format, reason }) => send("/api/messages/export", { sequences, deidentify: true, format, reason }),
  });
  if (text === undefined) return;
  const url = URL.createObjectURL(new Blob([typeof text === "string" ? text : JSON.stringify(text)], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: "messages.hl7" });
  link.click();
  URL.revokeObjectURL(url);
  toast(`Exported ${plural(sequences.length, "message")}`);
}
