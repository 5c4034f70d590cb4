// All schedules held at once: the switch for an incident, and the band that says that it is thrown.
import { send } from "./api.js";
import { confirm, REASON, UNTIL, untilAt } from "./dialog.js";
import { html } from "./dom.js";
import { Time } from "./format.js";
import { may, session } from "./session.js";
import { toast } from "./toast.js";

export async function holdAll(done) {
  const held = await confirm({
    tier: 3, title: "Hold all schedules", verb: "Hold everything", typed: session.get().site || "hold",
    text: "No entry fires on any daemon of this site until the hold ends. What falls due meanwhile is caught up as each entry says, or passed over; feeds go on.",
    fields: [REASON, { ...UNTIL, label: "The hold ends", value: "2", options: UNTIL.options.filter(([hours]) => hours) }],
    run: ({ reason, until_at: hours }) => send("/api/schedule/hold", { reason, until_at: untilAt(hours) }),
  });
  if (held) {
    toast("All schedules are held");
    done?.();
  }
}

export async function releaseAll(done) {
  const released = await confirm({
    tier: 2, title: "Release all schedules", verb: "Release", text: "Entries fire again at once; what fell due meanwhile is treated as each entry's catch-up says.",
    fields: [{ ...REASON, required: false, label: "Reason (may be left out)" }],
    run: async ({ reason }) => (await send("/api/schedule/release", { reason })) ?? true,
  });
  if (released) {
    toast("Schedules run again");
    done?.();
  }
}

export function HeldBand({ held, onChange }) {
  if (!held) return null;
  return html`<div class="refusal held" role="status"><strong>All schedules are held</strong> by ${held.by}${held.since_at && html` since <${Time} at=${held.since_at} />`}${held.until_at ? html` until <${Time} at=${held.until_at} away />` : ""}: “${held.reason}”
    ${may("operator") && !session.get().is_read_only && html`<div><button type="button" class="button small" onClick=${() => releaseAll(onChange)}>Release…</button></div>`}</div>`;
}
