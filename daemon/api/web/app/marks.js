// States: a shape, a colour and a word, always all three where there is room. One vocabulary for the whole page.
import { classes, html } from "./dom.js";

// tone: ok, late (warning), bad, running, skipped, quiet (nothing to say)
const MARKS = {
  ok: ["●", "ok"], late: ["▲", "late"], bad: ["◆", "bad"], skipped: ["▭", "skipped"], running: ["▬", "running"],
  planned: ["▯", "quiet"], paused: ["‖", "skipped"], off: ["○", "quiet"], unknown: ["?", "quiet"],
};
const KINDS = {
  // schedules
  on: "ok", waiting: "late", late: "late", missed: "bad", failed: "bad", wrong: "bad", over: "off", disabled: "off", stray: "unknown", held: "paused",
  paused: "paused", succeeded: "ok", started: "running", running: "running", enqueued: "ok", revoked: "skipped", lost: "bad", unknown: "unknown",
  skipped: "skipped", planned: "planned", "caught-up": "late", ok: "ok",
  // feeds
  listening: "ok", receiving: "ok", quiet: "late", refusing: "bad", withholding: "late", down: "bad",
  // messages
  stored: "running", routed: "running", parked: "late", quarantined: "bad", filtered: "skipped", batch: "planned", unrouted: "late", rejected: "bad", duplicate: "skipped",
  // tasks
  SUCCESS: "ok", FAILURE: "bad", STARTED: "running", RECEIVED: "running", PENDING: "planned", RETRY: "late", REVOKED: "skipped", REJECTED: "bad", SENT: "planned",
  // workers and queues
  online: "ok", silent: "late", offline: "off", "no consumer": "bad", growing: "late", stuck: "bad", blocked: "bad",
  // alerts and checks
  critical: "bad", warning: "late", error: "bad", info: "ok", open: "late", acknowledged: "ok", silenced: "paused", closed: "off",
  healthy: "ok", degraded: "late", unhealthy: "bad",
};

export const kindOf = (state) => KINDS[state] || (state && state === state.toUpperCase() ? "running" : "unknown");
export const toneOf = (state) => MARKS[kindOf(state)][1];
export const shapeOf = (state) => MARKS[kindOf(state)][0];

/** The mark of a state; with `quiet` the word is for screen readers and the tooltip alone. */
export function State({ of, quiet = false, label }) {
  const word = label || of;
  return html`<span class=${classes("state", `tone-${toneOf(of)}`)} title=${quiet ? word : undefined}>
    <span class="shape" aria-hidden="true">${shapeOf(of)}</span><span class=${quiet ? "sr" : "word"}>${word}</span>
  </span>`;
}

/** The last outcomes as a row of marks, newest at the right; one sentence says the same. */
export function Recent({ outcomes = [] }) {
  if (!outcomes.length) return html`<span class="muted">no run yet</span>`;
  const counts = new Map();
  for (const one of outcomes) counts.set(one, (counts.get(one) || 0) + 1);
  const words = [...counts].map(([outcome, many]) => `${many} ${outcome}`).join(", ");
  return html`<span class="recent" role="img" aria-label=${`last ${outcomes.length}: ${words}`} title=${words}>
    ${outcomes.map((one) => html`<i class=${`tone-${toneOf(one)} kind-${kindOf(one)}`}></i>`)}
  </span>`;
}

/** A small label: a source, a capability, "changed". */
export const Tag = ({ tone, children, ...rest }) => html`<span class=${classes("tag", tone && `tone-${tone}`)} ...${rest}>${children}</span>`;
