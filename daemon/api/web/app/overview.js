// The first screen: is anything wrong, since when, what to do about it. Then the day, then the traffic.
import { Chart, mean } from "./chart.js";
import { Depth } from "./depth.js";
import { classes, Fragment, html } from "./dom.js";
import { count, percent, plural, Since, size, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { HeldBand, holdAll } from "./hold.js";
import { toneOf } from "./marks.js";
import { Link } from "./router.js";
import { Empty, Loaded } from "./states.js";
import { useResource } from "./store.js";
import { Timeline } from "./timeline.js";

/** The sum of all cards at one glance; the words for when there is nothing yet. */
const NOTHING = '[schedule.nightly]\ntask = "apps.reports.tasks.nightly"\ncron = "0 2 * * *"\n\n[feed.adt]\nlisten = "0.0.0.0:2575"\n\n[[feed.adt.route]]\ntype = "ADT"\ntask = "apps.adt.tasks.handle"';

export function Overview() {
  const overview = useResource("/api/overview", { topics: ["overview", "alerts"], every: 30_000 });
  const schedule = useResource("/api/schedule", { query: { limit: 1 }, topics: ["schedule"], every: 60_000 });
  return html`<${Fragment}>
    <${ScreenHead} title="Overview">${schedule.data && !schedule.data.held && schedule.data.allowed_actions.includes("hold") && html`<button type="button" class="button small" data-action="hold" onClick=${() => holdAll(schedule.reload)}>Hold all schedules…</button>`}<//>
    <${HeldBand} held=${schedule.data?.held} onChange=${schedule.reload} />
    <${Loaded} resource=${overview} rows=${5}>${(data) => html`<${Fragment}>
      <${Cards} cards=${data.cards} />
      <${Wrong} data=${data} entries=${schedule.data?.counts.all} />
    <//>`}<//>
    <${Timeline} />
    <${Loaded} resource=${overview} rows=${3}>${(data) => html`<${Traffic} traffic=${data.traffic} cards=${data.cards} />`}<//>
    <${Depth} />
  <//>`;
}

function Card({ title, to, tone = "ok", big, children }) {
  return html`<${Link} to=${to} class=${classes("card", tone !== "ok" && `edge-${tone}`)}><h2>${title}</h2><span class="big">${big}</span><span class="small-lines">${children}</span><//>`;
}

const bad = (is, text) => html`<span class=${is ? "tone-bad" : undefined}>${text}</span>`;
const Unknown = ({ title, to }) => html`<${Card} title=${title} to=${to} tone="quiet" big="–">cannot be asked now<//>`;

function Cards({ cards }) {
  const { feeds, spool, broker, occurrences, queues, workers } = cards;
  const onTime = occurrences && occurrences.done ? 1 - Math.min(1, occurrences.late / occurrences.done) : null;
  const gone = queues?.without_consumer || [];
  return html`<div class="cards">
    <${Card} title="Feeds" to="/feeds" tone=${!feeds.total ? "quiet" : feeds.up + feeds.paused < feeds.total ? "bad" : feeds.paused ? "late" : "ok"} big=${`${feeds.up}/${feeds.total} up`}>
      ${count(feeds.last_hour)} messages in the last hour<br />${feeds.waiting ? html`${count(feeds.waiting)} waiting, oldest ${span(feeds.oldest_s)}` : "none waiting"}${feeds.paused > 0 && `, ${feeds.paused} paused`}
    <//>
    ${occurrences ? html`<${Card} title="Occurrences today" to="/schedules" tone=${occurrences.missed || occurrences.failed ? "bad" : occurrences.late ? "late" : "ok"} big=${`${count(occurrences.done)} done`}>
      ${bad(occurrences.missed, `${count(occurrences.missed)} missed`)}, ${bad(occurrences.failed, `${count(occurrences.failed)} failed`)}, ${count(occurrences.late)} late<br />${onTime !== null && `${percent(onTime)} on time`}
    <//>` : html`<${Unknown} title="Occurrences today" to="/schedules" />`}
    ${queues ? html`<${Card} title="Queues" to="/queues" tone=${gone.length ? "bad" : queues.oldest_s > 300 ? "late" : "ok"} big=${`${count(queues.waiting)} waiting`}>
      ${queues.waiting ? `oldest ${span(queues.oldest_s)}` : "nothing waits"}<br />${gone.length ? html`<span class="tone-bad">no worker takes from ${gone.slice(0, 2).join(", ")}${gone.length > 2 ? ` and ${gone.length - 2} more` : ""}</span>` : `${plural(queues.total, "queue")}, all with workers`}
    <//>` : html`<${Unknown} title="Queues" to="/queues" />`}
    ${workers ? html`<${Card} title="Workers" to="/workers" tone=${!workers.online ? "bad" : workers.offline ? "late" : "ok"} big=${`${count(workers.online)} online`}>
      ${count(workers.active)} of ${plural(workers.slots, "slot")} busy<br />${workers.offline ? html`<span class="tone-late">${count(workers.offline)} gone</span>` : "none gone"}
    <//>` : html`<${Unknown} title="Workers" to="/workers" />`}
    <${Card} title="Spool" to="/messages" tone=${!spool.is_accepting || spool.is_full ? "bad" : feeds.waiting > 1000 ? "late" : "ok"} big=${`${count(feeds.waiting)} unqueued`}>
      ${spool.is_full ? html`<span class="tone-bad">the disk is full</span>` : !spool.is_accepting ? html`<span class="tone-bad">takes nothing</span>` : `${size(spool.free_bytes)} free`}${spool.lasts_s && html`, full in ${span(spool.lasts_s)}`}<br />${broker.is_up ? "broker up" : html`<span class="tone-bad">broker down</span>`}
    <//>
  </div>`;
}

function Wrong({ data, entries }) {
  if (!data.cards.feeds.total && entries === 0 && !data.problems.length) {
    return html`<${Panel} title="Nothing to watch yet"><${Empty} title="No schedules and no feeds yet" toml=${NOTHING} shell="carillon demo" more="The demo starts workers, a schedule and a sender in one terminal.">Put either into the site file, and start the daemon anew.<//><//>`;
  }
  const broker = data.cards.broker;
  return html`<${Fragment}>
    ${!broker.is_up && html`<div class="refusal" role="alert"><strong>Broker unreachable${broker.since_at && html` since <${Time} at=${broker.since_at} />`}</strong>
      <p>Nothing is lost: ${plural(data.cards.feeds.waiting, "message")} wait safely in the spool, and occurrences are caught up as each entry says once <code>${broker.address}</code> answers again.</p></div>`}
    <${Panel} title="Needs attention" beside=${html`checked <${Time} at=${data.checked_at} seconds />`}>
      ${!data.problems.length ? html`<p class="fine"><span class="tone-ok" aria-hidden="true">●</span><strong>Everything is as it should be.</strong></p>`
        : html`<ul class="wrong-list">${data.problems.map((one) => html`<${Trouble} key=${one.id} one=${one} />`)}</ul>`}
    <//>
  <//>`;
}

function Trouble({ one }) {
  return html`<li>
    <span class=${`tone-${toneOf(one.severity)}`} title=${one.severity}><span aria-hidden="true">${one.severity === "critical" ? "◆" : "▲"}</span><span class="sr">${one.severity}</span></span>
    <div><span class="what">${one.what}</span>${" "}<${Link} to=${one.link}>${one.where}<//>${" "}<span class="muted">for <${Since} at=${one.since_at} />${one.is_acknowledged && ", acknowledged"}${one.silenced_until_at && html`, silenced until <${Time} at=${one.silenced_until_at} />`}</span>
      <div>${one.detail}${" "}<span class="step">${one.step}</span></div></div>
    <span class="actions"><${Link} to=${one.link} class="button small" aria-label=${`Open ${one.where}`}>Open<//><${Link} to="/alerts" class="button small" aria-label=${`Silence ${one.what} ${one.where}`}>Silence…<//></span>
  </li>`;
}

function Traffic({ traffic }) {
  if (!traffic?.length) return null;
  const [first] = traffic;
  const series = traffic.slice(0, 6).map((one) => ({ label: one.feed, values: perMinute(one) }));
  return html`<${Panel}><${Chart} title="Messages per minute, by feed" from=${first.from_at} step=${first.step_s} series=${series} join=${mean} unit=${(value) => (value < 10 ? Number(value.toFixed(1)) : count(Math.round(value)))} /><//>`;
}

/** Counts as a rate; the last step has only begun. */
function perMinute({ messages, from_at: from, step_s: step }) {
  const begun = (Date.now() - Date.parse(from)) / 1_000 - (messages.length - 1) * step;
  const last = Math.min(Math.max(begun, 60), step);
  return messages.map((many, at) => many / ((at === messages.length - 1 ? last : step) / 60));
}
