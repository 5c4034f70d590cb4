// The row of filters above a list. They stand in the address, except what a patient could be found by.
import { html, useEffect, useRef, useState } from "./dom.js";

const TYPING_MS = 250;

/** A search field that waits until typing rests. Key "/" goes to the one marked data-search. */
export function Search({ label, value, onChange, name = "text", placeholder }) {
  const [typed, type] = useState(value || "");
  const timer = useRef(0);
  useEffect(() => type(value || ""), [value]);
  const input = (event) => {
    const text = event.target.value;
    type(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange({ [name]: text.trim() }), TYPING_MS);
  };
  return html`<label class="filter"><span>${label}</span>
    <input type="search" data-search value=${typed} onInput=${input} placeholder=${placeholder} spellcheck=${false} autocomplete="off" /></label>`;
}

/** options: [[value, label]]; the first is usually ["", "any"]. */
export function Choice({ label, value = "", onChange, name, options }) {
  return html`<label class="filter"><span>${label}</span>
    <select value=${value} onChange=${(event) => onChange({ [name]: event.target.value })}>
      ${options.map(([one, word]) => html`<option value=${one} selected=${String(one) === String(value)}>${word}</option>`)}
    </select></label>`;
}

export function Flag({ label, value, onChange, name }) {
  return html`<label class="filter flag"><input type="checkbox" checked=${Boolean(value)} onChange=${(event) => onChange({ [name]: event.target.checked ? "true" : "" })} /><span>${label}</span></label>`;
}

export const Filters = ({ children }) => html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>${children}</form>`;

/** Views by name: [[label, {filters}]]; the one that is on is marked. */
export function Views({ views, query, onChange, names }) {
  const isOn = (wanted) => names.every((name) => String(query[name] ?? "") === String(wanted[name] ?? ""));
  return html`<div class="views" role="group" aria-label="Views">
    ${views.map(([label, wanted]) => html`<button type="button" class="view" aria-pressed=${isOn(wanted) ? "true" : "false"} onClick=${() => onChange(Object.fromEntries(names.map((name) => [name, wanted[name] ?? ""])))}>${label}</button>`)}
  </div>`;
}
