// Shows contents that may hold patient data: asked for with a reason, recorded first, gone again after minutes.
import { ask, Problem, send } from "./api.js";
import { confirm, REASON } from "./dialog.js";
import { html, useLayoutEffect, useState } from "./dom.js";
import { confirmSession } from "./session.js";
import { copied } from "./states.js";
import { toast } from "./toast.js";

/** How long contents stay on the page at most; they go earlier when the window or the screen is left. */
export const SHOWN_MS = 5 * 60_000;
const REASONS = ["", "Investigating a failure", "Asked for by the ward", "Asked for by the sender", "Test data"];

/**
 * Ask for contents. title: "Reveal PID-3 of message 42"; where: path of the reveal; body(values): what to send besides the reason.
 * isReading: of a resource that is read with GET and takes no reason. Gives what the API said, or undefined. Asks for the token again where the session has to be confirmed.
 */
export async function askReveal({ title, where, body = {}, isReading = false }) {
  const values = await confirm({
    tier: 2, title, verb: "Reveal", text: "Contents may be about a patient. This look is written to the audit trail, with your name and reason, before anything is shown.",
    fields: isReading ? [] : [{ name: "kind", label: "Occasion", kind: "select", options: REASONS.map((one) => [one, one || "other"]), value: "" }, { ...REASON, label: "Reason" }],
    run: async ({ kind, reason = "" }) => ({ reason: [kind, reason.trim()].filter(Boolean).join(": ") }),
  });
  if (!values) return undefined;
  const look = () => (isReading ? ask(where) : send(where, { ...body, reason: values.reason }));
  try {
    return await look();
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "confirm-first") {
      toast(`Not revealed: ${problem.message} ${problem.hint || ""}`, { tone: "bad" });
      return undefined;
    }
  }
  const isConfirmed = await confirm({
    tier: 1, title: "Your token again", verb: "Go on", text: "Before contents are shown, the daemon wants to be sure that it is still you. This holds for five minutes.",
    fields: [{ name: "token", label: "Token", kind: "secret", required: true }],
    run: async ({ token }) => (await confirmSession(token), true),
  });
  if (!isConfirmed) return undefined;
  try {
    return await look();
  } catch (problem) {
    toast(`Not revealed: ${problem.message} ${problem.hint || ""}`, { tone: "bad" });
    return undefined;
  }
}

/**
 * Holds revealed contents in a component: [shown, show(value), hide()]. They are gone from the page after five minutes, when the window
 * loses the focus to another one, when the tab is hidden, and with the screen.
 */
export function useRevealed() {
  const [shown, setShown] = useState(null);
  // At once and not after the next frame: a window that is left in between must not keep what it shows.
  useLayoutEffect(() => {
    if (shown === null) return undefined;
    const hide = () => setShown(null);
    const timer = setTimeout(hide, SHOWN_MS);
    addEventListener("blur", hide);
    document.addEventListener("visibilitychange", hide);
    return () => {
      clearTimeout(timer);
      removeEventListener("blur", hide);
      document.removeEventListener("visibilitychange", hide);
    };
  }, [shown]);
  return [shown, setShown, () => setShown(null)];
}

/** The frame around revealed text. */
export function Revealed({ text, label, onHide }) {
  return html`<section class="revealed" aria-label=${label}>
    <header><strong>${label}</strong><span class="hint">On the record. Hidden again after five minutes, or when you leave this window.</span>
      <button type="button" class="button small" onClick=${() => copied(text)}>Copy</button>
      <button type="button" class="button small" onClick=${onHide}>Hide</button></header>
    <pre tabindex="0" role="group" aria-label=${label}>${text}</pre>
  </section>`;
}
