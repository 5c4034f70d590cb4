// What was done, said once: for ears too, and with a way back where there is one.
import { classes, html } from "./dom.js";
import { signal, useSignal } from "./signal.js";

export const UNDO_MS = 10_000;
const toasts = signal([]);
let number = 0;

/** Say what was done. undo: a function that takes it back; tone: "ok" or "bad". */
export function toast(text, { undo, tone = "ok" } = {}) {
  const id = (number += 1);
  toasts.set([...toasts.get().slice(-3), { id, text, undo, tone }]);
  setTimeout(() => drop(id), UNDO_MS);
}

const drop = (id) => toasts.set(toasts.get().filter((one) => one.id !== id));

async function takeBack(one) {
  drop(one.id);
  try {
    await one.undo();
    toast("Taken back");
  } catch (problem) {
    toast(`Could not be taken back: ${problem.message}`, { tone: "bad" });
  }
}

export function Toasts() {
  const shown = useSignal(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((one) => html`<div key=${one.id} class=${classes("toast", `edge-${one.tone}`)}>
      <span>${one.text}</span>
      ${one.undo && html`<button type="button" class="button small" onClick=${() => takeBack(one)}>Undo</button>`}
      <button type="button" class="plain" aria-label="Close this message" onClick=${() => drop(one.id)}>×</button>
    </div>`)}
  </div>`;
}
