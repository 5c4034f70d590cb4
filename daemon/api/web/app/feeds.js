// All feeds: does each listen, does anything come, how fast is it answered, what waits.
import { Actions } from "./actions.js";
import { Fragment, html, useEffect } from "./dom.js";
import { count, now, plural, Since, span, Time } from "./format.js";
import { ScreenHead } from "./frame.js";
import { feedActions } from "./feed_actions.js";
import { onRowAction } from "./keyboard.js";
import { State } from "./marks.js";
import { Spark } from "./picture.js";
import { Link, to } from "./router.js";
import { Empty, Loaded } from "./states.js";
import { usePages } from "./store.js";
import { More, Table } from "./table.js";

const TOML = '[feed.adt]\nlisten = "0.0.0.0:2575"\n\n[[feed.adt.route]]\ntype = "ADT"\ntask = "apps.adt.tasks.handle"';
const CERTIFICATE_DAYS = 21;

/** Take rows that the socket brought into a page of them. */
export function merged(message, data, key) {
  if (message.kind === "snapshot" && message.data.items) return { ...data, items: message.data.items };
  if (message.kind !== "event" || !message.data.changed || !data) return undefined;
  const changed = new Map(message.data.changed.map((row) => [row[key], row]));
  const removed = new Set(message.data.removed || []);
  const items = data.items.filter((row) => !removed.has(row[key])).map((row) => changed.get(row[key]) || row);
  // Whoever is new has to be put where the sorting wants it: the API knows.
  return items.length && [...changed.keys()].every((one) => items.some((row) => row[key] === one)) ? { ...data, items } : undefined;
}

export function Feeds() {
  const pages = usePages("/api/feeds", { query: { limit: 100 }, topics: ["feeds"], every: 15_000, take: (message, data) => merged(message, data, "name") });
  const actions = feedActions(pages.reload);
  useEffect(() => onRowAction(actions, (key) => pages.items?.find((row) => row.name === key)), [pages.items]);
  return html`<${Fragment}>
    <${ScreenHead} title="Feeds" beside=${pages.items && plural(pages.items.length, "feed")} />
    <${Loaded} resource=${pages} rows=${4}>${() => (!pages.items.length
      ? html`<${Empty} title="No feeds yet" toml=${TOML} shell="carillon hl7 send --to 127.0.0.1:2575 message.hl7">A feed takes HL7 v2 messages over MLLP. Put one into the site file, start the daemon anew, and send a message to it:<//>`
      : html`<${Fragment}><${Table} caption="Feeds" columns=${columns(actions)} rows=${pages.items} keyOf=${(row) => row.name} link=${(row) => to`/feeds/${row.name}`} rowTone=${toneOfFeed} below=${(row) => below(row, actions)} /><${More} pages=${pages} noun="feed" /><//>`)}<//>
  <//>`;
}

const toneOfFeed = (row) => ({ down: "bad", refusing: "bad", quiet: "late", withholding: "late", paused: "skipped" })[row.state] || "";

/** Days until the certificate ends, with a mark when that is soon. */
export function Certificate({ at }) {
  if (!at) return html`<span class="muted">–</span>`;
  const days = Math.floor((Date.parse(at) - now.get()) / 86_400_000);
  const tone = days < 3 ? "bad" : days < CERTIFICATE_DAYS ? "late" : "";
  return html`<span class=${tone && `tone-${tone}`} title=${`ends ${at}`}>${days < 0 ? "ended" : `${count(days)} d`}${tone && html` <span aria-hidden="true">${tone === "bad" ? "◆" : "▲"}</span>`}</span>`;
}

const codes = (row, code) => row.codes[code] || 0;

function columns(actions) {
  return [
    { name: "state", label: "State", of: (row) => html`<${State} of=${row.state} />` },
    { name: "name", label: "Name", isHead: true, of: (row) => html`<${Link} to=${to`/feeds/${row.name}`}>${row.name}<//>` },
    { name: "listen", label: "Listens on", wide: true, of: (row) => html`${row.listen.join(", ")}${row.is_tls && html` <span class="muted">TLS</span>`}` },
    { name: "peers", label: "Peers", number: true, of: (row) => count(row.connections) },
    { name: "last", label: "Last message", of: (row) => row.last_at && html`<${Time} at=${row.last_at} seconds /> <span class="muted"><${Since} at=${row.last_at} /></span>` },
    { name: "day", label: "Last 24 hours", of: (row) => html`<${Spark} values=${row.day} label="messages per quarter of an hour" last=${`${count(row.last_hour)}/h`} />` },
    { name: "ack", label: "Answered in", number: true, hint: "Half of the messages, and 99 of 100", of: (row) => row.p50_s !== null && html`${span(row.p50_s)} <span class="muted">p99 ${span(row.p99_s)}</span>` },
    { name: "aa", label: "AA", number: true, wide: true, of: (row) => count(codes(row, "AA") + codes(row, "CA")) },
    { name: "ae", label: "AE, AR", number: true, wide: true, of: (row) => {
      const many = ["AE", "AR", "CE", "CR"].reduce((sum, code) => sum + codes(row, code), 0);
      return html`<span class=${many ? "tone-late" : "muted"}>${count(many)}</span>`;
    } },
    { name: "waiting", label: "Waiting", number: true, of: (row) => html`${count(row.waiting)}${row.waiting > 0 && html` <span class="muted">${span(row.oldest_s)}</span>`}` },
    { name: "cert", label: "Certificate", number: true, wide: true, of: (row) => row.certificate_expires_at && html`<${Certificate} at=${row.certificate_expires_at} />` },
    { name: "act", label: "", of: (row) => html`<${Actions} list=${actions} of=${row} isFolded />` },
  ];
}

function below(row, actions) {
  if (row.pause) return html`<p class="note edge-skipped line"><span>“${row.pause.note}” by ${row.pause.who} since <${Time} at=${row.pause.since_at} />${row.pause.until_at && html`, until <${Time} at=${row.pause.until_at} away />`} (${row.pause.policy})</span><${Actions} list=${actions.slice(0, 1)} of=${row} /></p>`;
  if (row.why) return html`<p class=${`note edge-${toneOfFeed(row) || "late"}`}>${row.why}</p>`;
  return null;
}
