// Asks before something is done: the three tiers of confirmation. One dialog at a time, the browser's own <dialog>.
import { Problem } from "./api.js";
import { classes, html, useEffect, useRef, useState } from "./dom.js";
import { signal, useSignal } from "./signal.js";
import { Refusal, Skeleton } from "./states.js";

const asked = signal(null);

/**
 * Ask, and do it. Gives what `run` gave, or undefined when it was cancelled.
 *
 * tier: 1 reversible · 2 causes or stops work: `preview` shows what the daemon says would happen, the focus is on Cancel ·
 *       3 cannot be undone or hits many: `typed`, the name or the count, has to be typed.
 * title; text (what happens, in a sentence); verb: of the button ("Pause"); danger: red button.
 * fields: [{name, label, kind: text|area|select|number|instant|check|secret, value, options: [[value, label]], hint, required, min, max}]
 * preview(values): what to draw before the buttons; may be asynchronous.
 * run(values): does it; a Problem stays in the dialog and what was typed stays too.
 */
export function confirm(question) {
  const opener = document.activeElement;
  return new Promise((resolve) => {
    asked.set({
      tier: 1, fields: [], verb: "Do it", ...question,
      close(outcome) {
        // Closed before it is taken away: as long as it is modal, nothing else can have the focus.
        document.querySelector("dialog[open]")?.close();
        asked.set(null);
        resolve(outcome);
        (opener?.isConnected ? opener : document.querySelector("main h1"))?.focus();
      },
    });
  });
}

/** The reason that a change is recorded with, as a field. */
export const REASON = { name: "reason", label: "Reason", kind: "area", required: true, hint: "Stays in the audit trail, beside your name. No patient data." };
export const OPTIONAL_REASON = { ...REASON, required: false, label: "Reason (may be left out)" };
/** Until when: an instant, or open. Choices are hours from now. */
export const UNTIL = {
  name: "until_at", label: "Until", kind: "select", value: "",
  options: [["", "until resumed by hand"], ["1", "for 1 hour"], ["2", "for 2 hours"], ["4", "for 4 hours"], ["8", "for 8 hours"], ["24", "for a day"], ["168", "for a week"]],
};
export const untilAt = (hours) => (hours ? new Date(Date.now() + Number(hours) * 3_600_000).toISOString() : null);

export function Dialogs() {
  const question = useSignal(asked);
  return question && html`<${Dialog} key=${question.title} question=${question} />`;
}

function Dialog({ question }) {
  const { tier, title, text, verb, danger, fields, typed, close, run } = question;
  const box = useRef(null);
  const [values, setValues] = useState(() => Object.fromEntries(fields.map((field) => [field.name, field.value ?? (field.kind === "check" ? false : "")])));
  const [word, setWord] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    box.current.showModal();
    const first = tier === 1 ? box.current.querySelector("textarea, input, select") : box.current.querySelector("[data-cancel]");
    (first || box.current.querySelector("[data-cancel]")).focus();
  }, []);
  const isReady = fields.every((field) => !field.required || String(values[field.name] ?? "").trim()) && (!typed || word === String(typed));
  const go = async () => {
    if (!isReady || isBusy) return;
    setBusy(true);
    setProblem(null);
    try {
      close(await run(values));
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, { title: "That did not work", detail: String(error.message || error) }));
      setBusy(false);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    if (tier < 3) go();
  };
  const change = (name, value) => setValues((before) => ({ ...before, [name]: value }));
  return html`<dialog ref=${box} class=${classes("dialog", `tier-${tier}`)} aria-labelledby="dialog-title" onCancel=${(event) => {
      event.preventDefault();
      if (!isBusy) close(undefined);
    }}>
    <form method="dialog" onSubmit=${submit} autocomplete="off">
      <h2 id="dialog-title">${title}</h2>
      ${text && html`<p>${text}</p>`}
      ${question.preview && html`<${Preview} of=${question.preview} values=${values} />`}
      ${fields.map((field) => html`<${Field} key=${field.name} field=${field} value=${values[field.name]} onChange=${change} wrong=${problem?.of?.(field.name)} />`)}
      ${typed && html`<label class="field"><span>Type <code class="typed">${typed}</code> to confirm</span>
        <input type="text" value=${word} onInput=${(event) => setWord(event.target.value)} spellcheck=${false} /></label>`}
      <${Refusal} problem=${problem} inline=${true} />
      <div class="dialog-buttons">
        <button type="button" class="button" data-cancel onClick=${() => close(undefined)} disabled=${isBusy}>Cancel</button>
        <button type=${tier === 3 ? "button" : "submit"} class=${classes("button", danger || tier === 3 ? "danger" : "primary")} onClick=${tier === 3 ? go : undefined} disabled=${!isReady || isBusy}>${isBusy ? "Working…" : verb}</button>
      </div>
    </form>
  </dialog>`;
}

function Preview({ of, values }) {
  const [shown, show] = useState({ isLoading: true });
  const key = JSON.stringify(values);
  useEffect(() => {
    let isGone = false;
    const timer = setTimeout(async () => {
      try {
        const drawn = await of(values);
        if (!isGone) show({ drawn });
      } catch (problem) {
        if (!isGone) show({ problem });
      }
    }, shown.isLoading ? 0 : 400);
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [key]);
  if (shown.problem) return html`<${Refusal} problem=${shown.problem} inline=${true} />`;
  return html`<div class="preview" aria-live="polite">${shown.isLoading ? html`<${Skeleton} rows=${2} />` : shown.drawn}</div>`;
}

/** One field of a form: label, hint, and what the API says is wrong with it. */
export function Field({ field, value, onChange, wrong }) {
  const { name, label, kind = "text", hint, options = [], required, min, max, step, placeholder, isMono } = field;
  const id = `field-${name}`;
  const common = {
    id, name, required, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": hint || wrong ? `${id}-more` : undefined,
    class: isMono ? "mono" : undefined,
  };
  const typed = (event) => onChange(name, event.target.value);
  const more = (hint || wrong) && html`<span id=${`${id}-more`} class=${classes("hint", wrong && "tone-bad")}>${wrong || hint}</span>`;
  if (kind === "check") {
    return html`<label class="field check"><input type="checkbox" ...${common} checked=${value} onChange=${(event) => onChange(name, event.target.checked)} /><span>${label}</span>${more}</label>`;
  }
  const control = {
    area: () => html`<textarea ...${common} rows=${field.rows || 2} maxlength=${field.limit || 1000} placeholder=${placeholder} value=${value} onInput=${typed}></textarea>`,
    select: () => html`<select ...${common} value=${value} onChange=${typed}>${options.map(([one, word]) => html`<option value=${one} selected=${String(one) === String(value)}>${word}</option>`)}</select>`,
    number: () => html`<input type="number" ...${common} min=${min} max=${max} step=${step} value=${value} onInput=${typed} />`,
    instant: () => html`<input type="datetime-local" ...${common} value=${value} onInput=${typed} />`,
    secret: () => html`<input type="password" ...${common} value=${value} onInput=${typed} autocomplete="off" />`,
    text: () => html`<input type="text" ...${common} placeholder=${placeholder} value=${value} onInput=${typed} spellcheck=${false} maxlength=${field.limit} />`,
  }[kind]();
  return html`<label class="field" for=${id}><span>${label}${required && html`<span class="must" aria-hidden="true"> *</span>`}</span>${control}${more}</label>`;
}
