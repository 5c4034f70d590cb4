// One message: its path with the gaps, its shape without contents, what was answered, which tasks came of it. Contents are behind a reveal.
import { Actions } from "./actions.js";
import { path } from "./api.js";
import { Fragment, html, useState } from "./dom.js";
import { plural, size, span, Time } from "./format.js";
import { Panel, ScreenHead } from "./frame.js";
import { State, Tag } from "./marks.js";
import { exportThem, release, replay } from "./messages.js";
import { askReveal, Revealed, useRevealed } from "./reveal.js";
import { Link, to } from "./router.js";
import { copied, Loaded } from "./states.js";
import { useResource } from "./store.js";
import { Facts, Table } from "./table.js";
import { toast } from "./toast.js";

export function Message({ sequence }) {
  const resource = useResource(path`/api/messages/${sequence}`, { topics: ["messages", "tasks"] });
  const one = resource.data?.message;
  const list = [
    { name: "replay", label: "Replay…", act: () => replay([one.sequence]).then(resource.reload) },
    { name: "release", label: "Release…", act: () => release([one.sequence]).then(resource.reload) },
    { name: "export", label: "Export de-identified…", act: () => exportThem([one.sequence]) },
  ];
  const permalink = async () => toast((await copied(location.href)) ? "Address copied" : `The address: ${location.href}`);
  return html`<${Fragment}>
    <${ScreenHead} title=${`Message ${sequence}`} crumbs=${[["/messages", "Messages"]]} beside=${one && html`<${State} of=${one.state} /> ${one.type}${one.event && `^${one.event}`}`}>
      <${Actions} of=${one} list=${list} size="" />
      <button type="button" class="button" onClick=${permalink}>Copy address</button>
    <//>
    <${Loaded} resource=${resource}>${(data) => html`<${Detail} data=${data} />`}<//>
  <//>`;
}

function Detail({ data }) {
  const one = data.message;
  const mayReveal = one.allowed_actions.includes("reveal");
  return html`<${Fragment}>
    ${!one.is_whole && html`<p class="note edge-bad">What is stored of this message is not what was received: its checksum is wrong.</p>`}
    <${Panel} title="Path"><${Path} steps=${data.path} /><//>
    <div class="columns">
      <${Panel} title="What it says of itself">
        <${Facts} facts=${[["Control id", html`<span class="mono">${one.control_id}</span>`], ["Feed", html`<${Link} to=${to`/feeds/${one.feed}`}>${one.feed}<//>`], ["Version", one.version], ["Size", size(one.size_bytes)], ["From", one.peer],
          ["State", one.reason ? `${one.state}: ${one.reason}` : one.state], ["Replay of", one.origin && html`<${Link} to=${to`/messages/${one.origin}`}>message ${one.origin}<//>`],
          ["Notes", one.flags.length > 0 && one.flags.map((flag) => html`<${Tag} key=${flag}>${flag}<//> `)], ...data.header.map(({ field, value }) => [field, value])]} />
      <//>
      <${Panel} title="Answer">
        ${data.answer ? html`<${Facts} facts=${[["Codes", data.answer.codes.join(", ")], ["Size", size(data.answer.size_bytes)], ["Segments", data.answer.segments.map((part) => part.name).join(", ")]]} />` : html`<p class="muted">None was sent.</p>`}
        ${mayReveal && data.answer && html`<${Look} sequence=${one.sequence} scope="answer" label="Answer" button="Reveal the answer…" />`}
      <//>
    </div>
    <${Panel} title="Tasks">${data.tasks.length || data.entries.length ? html`<${Tasks} tasks=${data.tasks} entries=${data.entries} />` : html`<p class="muted">No task came of it${one.state === "filtered" ? ": a route says that nothing is to be done" : ""}.</p>`}<//>
    <${Panel} title="Structure" beside="names and lengths; contents are not on this page">
      <${Segments} data=${data} mayReveal=${mayReveal} />
    <//>
    ${data.copies.length > 0 && html`<${Panel} title="Resent and replayed">
      <ul class="plain-list">${data.copies.map((copy) => html`<li key=${copy.sequence}><${Link} to=${to`/messages/${copy.sequence}`}>message ${copy.sequence}<//> <${State} of=${copy.state} /> ${copy.is_replay ? "replay" : "resent by the sender"} <${Time} at=${copy.received_at} seconds=${true} /></li>`)}</ul><//>`}
  <//>`;
}

/** The way of the message: each step with its time, and how long it took since the one before. The longest gap is marked. */
function Path({ steps }) {
  const known = steps.filter((step) => step.at);
  const longest = Math.max(0, ...known.map((step) => step.gap_s || 0));
  return html`<ol class="path" aria-label="Steps in order">${steps.map((step) => html`<li key=${step.step} class=${step.is_done ? "" : "is-open"}>
    ${step.gap_s !== null && html`<span class=${`gap ${step.gap_s === longest && longest > 0.1 ? "tone-late" : "muted"}`}>${span(step.gap_s)} <span aria-hidden="true">→</span></span>`}
    <span class="step"><b>${step.step.replaceAll("-", " ")}</b> <${Time} at=${step.at} seconds=${true} none=${step.is_done ? "" : "not yet"} />${step.detail && html` <span class="muted">${step.detail}</span>`}</span></li>`)}</ol>`;
}

const TASKS = [
  { name: "task", label: "Task", isHead: true, of: (one) => html`<${Link} to=${to`/tasks/${one.task_id}`}>${one.name}<//>` },
  { name: "route", label: "Route", of: (one) => one.route },
  { name: "queue", label: "Queue", of: (one) => one.queue && html`<${Link} to=${to`/queues/${one.queue}`}>${one.queue}<//>` },
  { name: "state", label: "State", of: (one) => (one.state === "not-asked" ? html`<span class="muted">not asked</span>` : html`<${State} of=${one.state.toUpperCase()} />`) },
  { name: "worker", label: "Worker", wide: true, of: (one) => one.worker && html`<${Link} to=${to`/workers/${one.worker}`}>${one.worker}<//>` },
];

function Tasks({ tasks, entries }) {
  return html`<${Fragment}>
    ${tasks.length > 0 && html`<${Table} caption="Tasks of this message" columns=${TASKS} rows=${tasks} keyOf=${(one) => one.task_id} link=${(one) => to`/tasks/${one.task_id}`} />`}
    ${entries.length > 0 && html`<p>It rang ${entries.map((name) => html`<${Link} key=${name} to=${to`/schedules/${name}`}>${name}<//> `)}</p>`}
  <//>`;
}

function Segments({ data, mayReveal }) {
  const [scope, setScope] = useState("");
  const number = data.message.sequence;
  const shape = (segment) => segment.fields.map((field) => `${segment.name}-${field.number}: ${size(field.size_bytes)}${field.repetitions > 1 ? `, ${field.repetitions} repetitions` : ""}${field.components > 1 ? `, ${field.components} components` : ""}`);
  const columns = [
    { name: "segment", label: "Segment", isHead: true, of: (one) => html`<span class="mono">${one.name}</span>` },
    { name: "size", label: "Size", number: true, of: (one) => size(one.size_bytes) },
    { name: "fields", label: "Fields with something in them", of: (one) => html`<details><summary>${plural(one.fields.length, "field")} ••••</summary><ul class="plain-list">${shape(one).map((text) => html`<li key=${text}>${text}</li>`)}</ul></details>` },
  ];
  return html`<${Fragment}>
    <${Table} caption="Segments" columns=${columns} rows=${data.segments.map((one, at) => ({ ...one, at }))} keyOf=${(one) => `${one.name} ${one.at}`} isHeld=${false} />
    ${data.segments_left_out > 0 && html`<p class="muted">and ${plural(data.segments_left_out, "more segment")}</p>`}
    ${mayReveal && html`<div class="line reveal-line">
      <label class="filter"><span>Field, as in PID-3 or OBX[2]-5</span><input type="text" value=${scope} onInput=${(event) => setScope(event.target.value.trim())} spellcheck=${false} /></label>
      ${scope && html`<${Look} key=${scope} sequence=${number} scope=${scope} label=${scope} button=${`Reveal ${scope}…`} />`}
      <${Look} sequence=${number} scope="whole" label="Message" button="Reveal the whole message…" /></div>`}
  <//>`;
}

function Look({ sequence, scope, label, button }) {
  const [shown, show, hide] = useRevealed();
  const look = async () => {
    const got = await askReveal({ title: `Reveal ${label === "Message" ? "" : `${label} of `}message ${sequence}`, where: path`/api/messages/${sequence}/reveal`, body: { scope } });
    if (got) show(got.segments?.length ? got.segments.join("\n") : got.values.map((value) => value ?? "(nothing there)").join("\n"));
  };
  return html`<${Fragment}><button type="button" class="button small" onClick=${look}>${button}</button>
    ${shown !== null && html`<${Revealed} text=${shown} label=${`${label} of message ${sequence}`} onHide=${hide} />`}<//>`;
}
