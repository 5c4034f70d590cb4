// Edits an entry: a form and the lines it stands for, what the next fires become, and what differs from the configured ones.
import { Problem, path, request, send } from "./api.js";
import { confirm, Field, REASON, UNTIL, untilAt } from "./dialog.js";
import { html, useEffect, useState } from "./dom.js";
import { Time } from "./format.js";
import { Panel } from "./frame.js";
import { Refusal, Snippet } from "./states.js";
import { toast } from "./toast.js";

const SETTLE_MS = 400;
const WHEN = ["cron", "every", "at", "rrule", "solar"];
const FIXED = ["timezone", "options.queue", "overlap", "catch_up", "expires"];
const OVERLAP = [["allow", "run beside it"], ["skip", "skip"], ["queue-one", "let one wait"], ["queue-all", "let all wait"]];

/** The fields of the form: those the entry has, and those it could have. Arguments and tasks are changed in the site file, or by an admin over the API. */
function formOf(detail) {
  const values = new Map(detail.fields.filter((one) => !one.is_hidden && ["string", "number", "boolean"].includes(typeof one.value)).map((one) => [one.field, one]));
  const names = [...WHEN.filter((name) => values.has(name)), ...FIXED];
  return names.map((name) => {
    const value = values.get(name)?.value ?? (name === "overlap" ? detail.overlap : name === "options.queue" ? detail.row.queue || "" : "");
    const label = { cron: "Cron expression", every: "Every", at: "At", timezone: "Zone", "options.queue": "Queue", overlap: "While a run is going", catch_up: "Catch up", expires: "Expires after" }[name] || name;
    return { name, label, value: String(value), isMono: name !== "overlap", kind: name === "overlap" ? "select" : "text", options: name === "overlap" ? OVERLAP : undefined, below: values.get(name)?.below };
  });
}

function toml(id, changed) {
  const lines = Object.entries(changed).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return lines.length ? `[schedule.${/^[\w-]+$/.test(id) ? id : JSON.stringify(id)}]\n${lines.join("\n")}` : "# nothing is changed yet";
}

export function Editor({ detail, etag, onDone, onCancel }) {
  const [fields] = useState(() => formOf(detail));
  const [values, setValues] = useState(() => Object.fromEntries(fields.map((field) => [field.name, field.value])));
  const [found, setFound] = useState({});
  const id = detail.row.id;
  const changed = Object.fromEntries(fields.filter((field) => values[field.name].trim() !== field.value && values[field.name].trim()).map((field) => [field.name, values[field.name].trim()]));
  const cleared = fields.filter((field) => field.value && !values[field.name].trim()).map((field) => field.name);
  const key = JSON.stringify([changed, cleared]);
  const isChanged = key !== "[{},[]]";
  useEffect(() => {
    let isGone = false;
    const timer = setTimeout(() => send("/api/schedule/preview", { id, set: changed, clear: cleared }).then((preview) => isGone || setFound({ preview }), (problem) => isGone || setFound({ problem })), SETTLE_MS);
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [key]);
  const problems = found.preview?.problems || [];
  const save = async () => {
    const saved = await confirm({
      tier: 2, title: `Change ${detail.row.name}`, verb: "Change", text: "Is kept as an override: the site file stays as it is, and Revert takes all of it back.", fields: [REASON, { ...UNTIL, options: [["", "until reverted by hand"], ...UNTIL.options.slice(1)] }],
      preview: async () => html`<${Snippet} label="What is changed" text=${toml(id, { ...changed })} />${cleared.length > 0 && html`<p>Cleared: ${cleared.join(", ")}</p>`}`,
      run: async ({ reason, until_at: hours }) => {
        try {
          return (await request(path`/api/schedule/${id}`, { method: "PATCH", etag, body: { set: changed, clear: cleared, reason, until_at: untilAt(hours) } })).data;
        } catch (problem) {
          if (problem.status === 412) throw new Problem(412, { detail: "Somebody else changed this entry since you began.", hint: "Cancel, look at the fields below, and edit anew." });
          throw problem;
        }
      },
    });
    if (!saved) return;
    toast(`Changed ${detail.row.name}`, { undo: async () => {
      await request(path`/api/schedule/${id}/override`, { method: "DELETE", query: { field: [...Object.keys(changed), ...cleared] } });
      onDone();
    } });
    onDone();
  };
  const change = (name, value) => setValues((before) => ({ ...before, [name]: value }));
  return html`<${Panel} title="Edit" className="editor">
    <form onSubmit=${(event) => event.preventDefault()} autocomplete="off">
      <div class="columns">
        <div>${fields.map((field) => html`<${Field} key=${field.name} field=${field} value=${values[field.name]} onChange=${change} wrong=${problems.find((one) => one.field === field.name)?.detail} />`)}</div>
        <div class="stack">
          <h3>As lines of the site file</h3><${Snippet} label="The change as TOML" text=${toml(id, changed)} />
          <h3>Next five, before and after</h3>
          ${found.problem ? html`<${Refusal} problem=${found.problem} inline />` : html`<${Fires} preview=${found.preview} isChanged=${isChanged} />`}
          ${problems.length > 0 && html`<ul>${problems.map((one) => html`<li key=${one.field} class="tone-bad"><code>${one.field}</code> ${one.detail} <span class="hint">${one.hint}</span></li>`)}</ul>`}
        </div>
      </div>
      <div class="dialog-buttons"><button type="button" class="button" onClick=${onCancel}>Cancel</button>
        <button type="button" class="button primary" disabled=${!isChanged || problems.length > 0 || Boolean(found.problem)} onClick=${save}>Save as override…</button></div>
    </form>
  <//>`;
}

function Fires({ preview, isChanged }) {
  if (!preview) return html`<p class="muted">Asking the daemon…</p>`;
  const rows = Array.from({ length: Math.max(preview.before.length, preview.after.length) }, (_, at) => [preview.before[at], preview.after[at]]);
  const cell = (one) => (one ? html`<${Time} at=${one.at} />${one.note && html` <span class="tone-late" title=${one.note}>▲</span>`}` : html`<span class="muted">–</span>`);
  return html`<table class="plain-table"><caption class="sr">Next fires before and after the change</caption><thead><tr><th scope="col">before</th>${isChanged && html`<th scope="col">after${preview.words && `: ${preview.words}`}</th>`}</tr></thead>
    <tbody>${rows.map(([before, after], at) => html`<tr key=${at}><td>${cell(before)}</td>${isChanged && html`<td>${cell(after)}</td>`}</tr>`)}</tbody></table>`;
}
