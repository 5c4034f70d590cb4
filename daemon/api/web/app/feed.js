// One feed: who is connected, what came, how it was answered, where it went, and what is odd about its senders.
import { Actions } from "./actions.js";
import { path } from "./api.js";
import { Chart } from "./chart.js";
import { Fragment, html, useState } from "./dom.js";
import { count, plural, size, span, Time } from "./format.js";
import { ScreenHead, Panel } from "./frame.js";
import { disconnect, feedActions } from "./feed_actions.js";
import { Certificate } from "./feeds.js";
import { State, Tag } from "./marks.js";
import { Bars } from "./picture.js";
import { Link } from "./router.js";
import { Empty, Loaded } from "./states.js";
import { useResource } from "./store.js";
import { Facts, Table } from "./table.js";

export function Feed({ name }) {
  const feed = useResource(path`/api/feeds/${name}`, { topics: ["feeds"], every: 15_000 });
  const row = feed.data?.feed;
  return html`<${Fragment}>
    <${ScreenHead} title=${name} crumbs=${[["/feeds", "Feeds"]]} beside=${row && html`<${State} of=${row.state} /> ${row.listen.join(", ")}`}>
      ${row && html`<${Actions} list=${feedActions(feed.reload)} of=${row} />`}<//>
    <${Loaded} resource=${feed} rows=${8}>${(data) => html`<${Fragment}>
      <${Notes} row=${data.feed} /><${Sums} data=${data} name=${name} /><${Traffic} name=${name} />
      <${Connections} data=${data} onChange=${feed.reload} />
      <div class="columns"><${Routes} data=${data} /><${Panel} title="How fast it is answered"><${Latencies} latencies=${data.latencies} /><//><${Panel} title="What came"><${Bars} caption="Messages by type" rows=${Object.entries(data.kinds).sort(([, one], [, other]) => other - one).slice(0, 12)} /><//></div>
      <${Deviations} all=${data.deviations} />
    <//>`}<//>
  <//>`;
}

function Notes({ row }) {
  return html`<${Fragment}>
    ${row.pause && html`<p class="note edge-skipped panel">Paused (${row.pause.policy}) by ${row.pause.who} since <${Time} at=${row.pause.since_at} />${row.pause.until_at && html`, until <${Time} at=${row.pause.until_at} away />`}: “${row.pause.note}”</p>`}
    ${!row.pause && row.why && html`<p class="note edge-late panel">${row.why}</p>`}
  <//>`;
}

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

function Sums({ data, name }) {
  const { feed } = data;
  const codes = Object.entries(feed.codes).map(([code, many]) => `${count(many)} ${code}`).join(", ");
  const why = (counts) => Object.entries(counts).map(([reason, many]) => `${count(many)} ${reason.replaceAll("-", " ")}`).join(", ");
  const messages = (filters, label) => html`<${Link} to=${`/messages?${new URLSearchParams({ feed: name, ...filters })}`}>${label}<//>`;
  return html`<${Panel} title="At a glance" beside=${messages({}, "Its messages")}>
    <${Facts} facts=${[
      ["Last message", html`<${Time} at=${feed.last_at} seconds away />`], ["Usual silence", feed.usual_silence_s && `up to ${span(feed.usual_silence_s)} at this hour`], ["In the last hour", count(feed.last_hour)],
      ["Answered", codes], ["Answered in", feed.p50_s !== null && html`${span(feed.p50_s)}, p99 ${span(feed.p99_s)}`], ["Waiting", feed.waiting ? html`${count(feed.waiting)}, oldest ${span(feed.oldest_s)}` : "none"],
      ["Handed over", count(data.enqueued)], ["Unrouted", data.unrouted ? html`<span class="tone-late">${count(data.unrouted)}</span>` : "none"], ["Filtered", count(data.filtered)],
      ["Quarantined", sum(data.quarantined) ? messages({ state: "quarantined" }, why(data.quarantined)) : "none"], ["Refused", why(data.refused)], ["Sent again", count(data.repeated + feed.resent)],
      ["Parked", data.parked ? messages({ state: "parked" }, count(data.parked)) : ""], ["Certificate", feed.certificate_expires_at && html`<${Certificate} at=${feed.certificate_expires_at} />`], ["Connections ended", why(data.gone)],
    ]} />
  <//>`;
}

function Traffic({ name }) {
  const [step, setStep] = useState("1m");
  const traffic = useResource(path`/api/feeds/${name}/traffic`, { query: { step }, every: 60_000 });
  const choose = html`<span class="switch" role="group" aria-label="Stretch">${[["1m", "24 hours"], ["15m", "14 days"]].map(([one, label]) => html`<button key=${one} type="button" aria-pressed=${one === step ? "true" : "false"} onClick=${() => setStep(one)}>${label}</button>`)}</span>`;
  return html`<${Panel} title="Traffic" beside=${choose}><${Loaded} resource=${traffic} rows=${5}>${(data) => html`<${Chart} title=${data.step_s === 60 ? "Messages per minute" : "Messages per quarter of an hour"} from=${data.from_at} step=${data.step_s}
    series=${[{ label: "messages", values: data.messages }, ...(data.refused.some(Boolean) ? [{ label: "refused", values: data.refused, tone: "bad" }] : [])]} />`}<//><//>`;
}

function Connections({ data, onChange }) {
  const list = [{ name: "disconnect", label: "Disconnect…", act: (connection) => disconnect(data.feed, connection, onChange) }];
  return html`<${Panel} title="Connections" beside=${plural(data.connections.length, "peer")}>
    ${!data.connections.length ? html`<${Empty} title="Nobody is connected">The feed listens; its sender is away or connects elsewhere. <code>carillon hl7 probe</code>, on the machine of the sender, shows how far it gets.<//>`
      : html`<${Table} caption="Connections of the feed" rows=${data.connections} keyOf=${(one) => String(one.number)} columns=${[
        { name: "peer", label: "Peer", isHead: true, of: (one) => html`${one.peer}${one.label && html` <span class="muted">${one.label}</span>`}${one.subject && html` <span class="muted">${one.subject}</span>`}` },
        { name: "since", label: "Since", of: (one) => html`<${Time} at=${one.since_at} />` }, { name: "last", label: "Last message", of: (one) => html`<${Time} at=${one.last_at} seconds />` },
        { name: "messages", label: "Messages", number: true, of: (one) => count(one.messages) }, { name: "size", label: "Size", number: true, wide: true, of: (one) => size(one.size_bytes) },
        { name: "now", label: "Now", of: (one) => one.state }, { name: "odd", label: "Odd", wide: true, of: (one) => one.deviations.map((kind) => html`<${Tag} key=${kind} tone="late">${kind}<//> `) },
        { name: "act", label: "", of: (one) => html`<${Actions} list=${list} of=${one} />` },
      ]} />`}
  <//>`;
}

function Routes({ data }) {
  return html`<${Panel} title="Where it goes">
    ${!data.routes.length ? html`<p class="muted">No routes: what comes is stored and goes nowhere.</p>` : html`<${Table} caption="Routes" isHeld=${false} rows=${data.routes} keyOf=${(one) => one.name} columns=${[
      { name: "name", label: "Route", isHead: true, of: (one) => one.name }, { name: "to", label: "To", of: (one) => html`<code>${one.becomes}</code>` }, { name: "count", label: "Messages", number: true, of: (one) => count(one.count) },
    ]} />`}
    ${data.unrouted > 0 && html`<p class="note edge-late">${plural(data.unrouted, "message")} matched no route. <${Link} to=${`/messages?${new URLSearchParams({ feed: data.feed.name, state: "quarantined" })}`}>Look at them<//></p>`}
  <//>`;
}

function Latencies({ latencies }) {
  if (!latencies.length) return html`<p class="muted">Nothing was answered yet.</p>`;
  return html`<${Bars} caption="Messages by the time to their answer" rows=${latencies.map((one) => [`≤ ${span(one.up_to_s)}`, one.count])} />`;
}

function Deviations({ all }) {
  if (!all.length) return null;
  return html`<${Panel} title="What is odd about its senders">
    <${Table} caption="Deviations from the standard" rows=${all} keyOf=${(one) => one.kind} columns=${[
      { name: "kind", label: "Deviation", isHead: true, of: (one) => one.kind.replaceAll("-", " ") }, { name: "count", label: "Times", number: true, of: (one) => count(one.count) },
      { name: "last", label: "Last", of: (one) => html`<${Time} at=${one.last_at} />` }, { name: "peers", label: "From", of: (one) => one.peers.join(", ") }, { name: "advice", label: "What to do", of: (one) => one.advice },
    ]} below=${(one) => one.window && html`<code class="muted">${one.window}</code>`} />
  <//>`;
}

