// One task: where it stands, how long each part took, where it came from, what belongs to it. Contents are behind a reveal.
import { path } from "./api.js";
import { Fragment, html, useEffect } from "./dom.js";
import { percent, plural, size, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { Gauge } from "./picture.js";
import { askReveal, Revealed, useRevealed } from "./reveal.js";
import { Link, to } from "./router.js";
import { Loaded, Snippet } from "./states.js";
import { useResource } from "./store.js";
import { Facts } from "./table.js";
import { Origin, TaskActions } from "./tasks.js";

export function Task({ id }) {
  const resource = useResource(path`/api/tasks/${id}`, { every: 30_000 });
  useWatched(id, resource);
  const one = resource.data;
  return html`<${Fragment}>
    <${ScreenHead} title=${one?.name || "Task"} crumbs=${[["/tasks", "Tasks"]]} beside=${one && html`<${State} of=${one.state} />`}><${TaskActions} of=${one} size="" /><//>
    <${Loaded} resource=${resource}>${(data) => html`<${Detail} one=${data} />`}<//>
  <//>`;
}

/** Its own WebSocket tells each change; a change means: read again. */
function useWatched(id, { reload, data }) {
  const isOpen = data !== undefined && !data.is_finished;
  useEffect(() => {
    if (!isOpen) return undefined;
    const socket = new WebSocket(new URL(path`/api/ws/tasks/${id}`, location.href.replace(/^http/, "ws")));
    let timer = 0;
    socket.onmessage = () => {
      clearTimeout(timer);
      timer = setTimeout(reload, 300);
    };
    return () => {
      clearTimeout(timer);
      socket.onmessage = null;
      socket.close();
    };
  }, [id, isOpen]);
}

function Detail({ one }) {
  return html`<${Fragment}>
    ${one.is_poisoned && html`<p class="note edge-bad">What is stored as its result would break a program that reads it with Celery: ${one.reason || "it cannot be rebuilt"}. It is shown here raw.</p>`}
    ${one.is_unreadable && html`<p class="note edge-bad">What is stored as its result cannot be read: ${one.reason || "it is in another form"}.</p>`}
    ${one.progress && !one.is_finished && html`<${Panel} title="Progress"><p class="line"><${Gauge} value=${one.progress.percent} of=${100} label=${`${one.progress.percent} of 100 per cent`} /> <b class="number">${percent(one.progress.fraction)}</b></p><//>`}
    <div class="columns">
      <${Panel} title="Course"><${Course} one=${one} /><//>
      <${Panel} title="Where it belongs">
        <${Facts} facts=${[["Id", html`<span class="mono">${one.task_id}</span>`], ["From", html`<${Origin} of=${one.origin} />`], ["Sent by", one.sent_by], ["Queue", one.queue && html`<${Link} to=${to`/queues/${one.queue}`}>${one.queue}<//>`],
          ["Worker", one.worker && html`<${Link} to=${to`/workers/${one.worker}`}>${one.worker}<//>`], ["Client", one.client], ["Retries", one.retries || null],
          ["Parent", one.parent_id && html`<${TaskLink} id=${one.parent_id} />`], ["Root", one.root_id && one.root_id !== one.task_id && html`<${TaskLink} id=${one.root_id} />`], ["Group", one.group_id],
          ["Children", one.children.length > 0 && one.children.map((child) => html`<${TaskLink} key=${child} id=${child} /> `)], ["Not before", one.eta_at && html`<${Time} at=${one.eta_at} />`], ["Not after", one.expires_at && html`<${Time} at=${one.expires_at} />`],
          ["Remembered until", one.remembered_until && html`<${Time} at=${one.remembered_until} away=${true} />`]]} />
      <//>
    </div>
    <${Panel} title="Contents" beside="types and sizes; contents are not on this page">
      <${Facts} facts=${[["Arguments", shape(one.args)], ["Named arguments", shape(one.kwargs)], ["Result", shape(one.result)], ["Failed with", one.error_type && html`${one.error_type} <span class="muted">(message ••••)</span>`], ["Traceback", one.traceback_lines ? `${plural(one.traceback_lines, "line")} ••••` : null]]} />
      ${!one.args && !one.kwargs && html`<p class="muted">Arguments are known where workers keep them with the result.</p>`}
      ${!one.args && !one.kwargs && html`<${Snippet} text=${"app.conf.result_extended = True"} label="Setting of the application" />`}
      ${one.allowed_actions.includes("reveal") && html`<${Look} one=${one} />`}
    <//>
  <//>`;
}

const TaskLink = ({ id }) => html`<${Link} to=${to`/tasks/${id}`} class="mono">${id.slice(0, 8)}<//>`;

function shape(of) {
  if (!of) return null;
  const inside = of.type === "list" ? plural(of.count, "item") : of.type === "object" ? plural(of.count, "name") : of.type;
  return html`${inside}, ${size(of.size_bytes)} <span class="muted">••••</span>${of.names?.length > 0 && html`<br />${of.names.map((name) => html`<${Tag} key=${name}>${name}<//> `)}`}`;
}

/** Its times in order, each with the gap to the one before. */
function Course({ one }) {
  const steps = [["sent", one.sent_at], ["received", one.received_at], ["started", one.started_at], ["retried", one.retried_at], [one.is_finished ? "ended" : "", one.ended_at || one.done_at]].filter(([word, at]) => word && at);
  if (!steps.length) return html`<p class="muted">No worker has told of it yet.</p>`;
  return html`<${Fragment}><ol class="path">${steps.map(([word, at], place) => html`<li key=${word}>
    ${place > 0 && html`<span class="gap muted">${span((new Date(at) - new Date(steps[place - 1][1])) / 1_000)} <span aria-hidden="true">→</span></span>`}
    <span class="step"><b>${word}</b> <${Time} at=${at} seconds=${true} /></span></li>`)}</ol>
    <${Facts} facts=${[["Waited", one.wait_s !== null && span(one.wait_s)], ["Ran", one.runtime_s !== null && span(one.runtime_s)]]} /><//>`;
}

function Look({ one }) {
  const [shown, show, hide] = useRevealed();
  const look = async () => {
    const got = await askReveal({ title: `Reveal contents of ${one.name || one.task_id}`, where: path`/api/tasks/${one.task_id}/reveal` });
    if (got) show(written(got));
  };
  return html`<${Fragment}><button type="button" class="button small" onClick=${look}>Reveal contents…</button>
    ${shown !== null && html`<${Revealed} text=${shown} label=${`Contents of ${one.task_id}`} onHide=${hide} />`}<//>`;
}

function written(got) {
  const parts = [["Arguments", got.args], ["Named arguments", got.kwargs], ["Result", got.result], ["Exception", got.exception], ["Traceback", got.traceback], ["Meta", got.meta]];
  return parts.filter(([, value]) => value !== null && value !== undefined).map(([label, value]) => `${label}\n${typeof value === "string" ? value : JSON.stringify(value, null, 2)}`).join("\n\n") || "There is nothing in it.";
}
