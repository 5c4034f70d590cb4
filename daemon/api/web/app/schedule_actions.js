// What can be done to an entry, from the list and from its own screen alike.
import { path, request, send } from "./api.js";
import { confirm, OPTIONAL_REASON, REASON, UNTIL, untilAt } from "./dialog.js";
import { html } from "./dom.js";
import { count, plural, Time } from "./format.js";
import { navigate, to } from "./router.js";
import { toast } from "./toast.js";

/** `done` is called with what changed; screens read again. */
export function scheduleActions(done = () => {}) {
  return [
    { name: "resume", label: "Resume", act: (row) => resume(row, done) },
    { name: "pause", label: "Pause…", act: (row) => pause(row, done) },
    { name: "trigger", label: "Run now…", act: (row) => trigger(row, done) },
    { name: "edit", label: "Edit…", more: true, act: (row) => navigate(`${to`/schedules/${row.id}`}?edit=true`) },
    { name: "backfill", label: "Run a past stretch…", more: true, act: (row) => backfill(row, done) },
    { name: "revert", label: "Revert changes…", more: true, act: (row) => revert(row, done) },
    { name: "delete", label: "Delete…", more: true, danger: true, act: (row) => remove(row, done) },
  ];
}

async function pause(row, done) {
  const paused = await confirm({
    tier: 1, title: `Pause ${row.name}`, verb: "Pause", text: "It fires no more until it is resumed. What falls due meanwhile is treated as its catch-up says.",
    fields: [REASON, UNTIL], run: ({ reason, until_at: hours }) => send(path`/api/schedule/${row.id}/pause`, { reason, until_at: untilAt(hours) }),
  });
  if (!paused) return;
  toast(`Paused ${row.name}`, { undo: async () => done(await send(path`/api/schedule/${row.id}/resume`, { reason: "pause taken back" })) });
  done(paused);
}

async function resume(row, done) {
  const resumed = await confirm({
    tier: 1, title: `Resume ${row.name}`, verb: "Resume", text: row.paused ? html`Paused by ${row.paused.by}${row.paused.since_at && html` since <${Time} at=${row.paused.since_at} />`}: “${row.paused.note}”` : undefined,
    fields: [OPTIONAL_REASON], run: ({ reason }) => send(path`/api/schedule/${row.id}/resume`, { reason }),
  });
  if (!resumed) return;
  toast(`Resumed ${row.name}`);
  done(resumed);
}

async function trigger(row, done) {
  const run = await confirm({
    tier: 2, title: `Run ${row.name} now`, verb: "Run now", text: html`Sends <code>${row.task}</code> once, with its configured arguments${row.queue && html`, to the queue <code>${row.queue}</code>`}. The plan stays as it is.`,
    fields: [{ name: "overlap", label: "If a run is still going", kind: "select", value: "allow", options: [["allow", "run beside it"], ["skip", "do not run"]] }, OPTIONAL_REASON],
    run: ({ overlap, reason }) => send(path`/api/schedule/${row.id}/trigger`, { overlap, reason }),
  });
  if (!run) return;
  toast(html`Sent ${row.name} as task <a href=${to`/tasks/${run.task_id}`}>${run.task_id.slice(0, 8)}…</a>${run.heard_by === 0 && " (no worker heard of it yet)"}`);
  done();
}

async function revert(row, done) {
  const reverted = await confirm({
    tier: 2, title: `Revert changes of ${row.name}`, verb: "Revert", text: "Every field goes back to what the site file, or wherever the entry comes from, says.",
    run: async () => (await request(path`/api/schedule/${row.id}/override`, { method: "DELETE" })).data,
  });
  if (!reverted) return;
  toast(`${row.name} is as configured again`);
  done(reverted.row);
}

async function remove(row, done) {
  const removed = await confirm({
    tier: 3, title: `Delete ${row.name}`, verb: "Delete", typed: row.name, text: "The entry fires no more and is gone from the list. Its history stays.",
    run: async () => (await request(path`/api/schedule/${row.id}`, { method: "DELETE", query: { confirm: row.name } })).data ?? true,
  });
  if (!removed) return;
  toast(`Deleted ${row.name}`);
  done();
  navigate("/schedules");
}

/** What a frozen set would hit, in words. */
function planned(plan, verb) {
  return html`<p><strong>${plural(plan.count, plan.action === "backfill" ? "occurrence" : "entry", plan.action === "backfill" ? "occurrences" : "entries")}</strong> would be ${verb}${plan.first_at && html`, from <${Time} at=${plan.first_at} /> to <${Time} at=${plan.last_at} />`}.</p>
    <p class="hint">${plan.sample.join(", ")}${plan.count > plan.sample.length ? ` and ${count(plan.count - plan.sample.length)} more` : ""}${plan.needs_role === "admin" ? ". This many take the role admin." : ""}</p>`;
}

const BULK = { pause: ["Pause", "paused", [REASON, UNTIL]], resume: ["Resume", "resumed", [OPTIONAL_REASON]], trigger: ["Run", "run once, now", [OPTIONAL_REASON]] };

/** Do something to many: first a dry run that freezes the set, then exactly that set. of: {ids} or {filter}. */
export async function bulk(action, of, done) {
  const [verb, word, fields] = BULK[action];
  const plan = await send("/api/schedule/bulk", { action, ...of }).catch((problem) => {
    toast(`Cannot be done: ${problem.message}`, { tone: "bad" });
    return null;
  });
  if (!plan) return;
  const isMany = plan.count > 20;
  const over = await confirm({
    tier: isMany ? 3 : 2, title: `${verb} ${plural(plan.count, "entry", "entries")}`, verb: `${verb} ${count(plan.count)}`, typed: isMany ? plan.count : undefined, fields,
    preview: async () => planned(plan, word),
    run: ({ reason, until_at: hours }) => send(path`/api/schedule/plans/${plan.token}`, { reason: reason || "", until_at: untilAt(hours), count: plan.count }),
  });
  if (!over) return;
  toast(`${plural(over.done, "entry", "entries")} ${word}${over.left_out.length ? `; left out: ${over.left_out.slice(0, 5).join(", ")}` : ""}`);
  done?.();
}

const local = (hours) => {
  const at = new Date(Date.now() + hours * 3_600_000);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

async function backfill(row, done) {
  let plan = null;
  const over = await confirm({
    tier: 2, title: `Run a past stretch of ${row.name}`, verb: "Run them", text: "Sends what the plan would have sent between two instants, given in this browser's zone.",
    fields: [
      { name: "from", label: "From", kind: "instant", value: local(-24), required: true }, { name: "to", label: "To", kind: "instant", value: local(0), required: true },
      { name: "overlap", label: "One by one?", kind: "select", value: "queue-all", options: [["queue-all", "one after the other"], ["allow", "all at once"], ["queue-one", "at most one waits"], ["skip", "skip what overlaps"]] },
      OPTIONAL_REASON,
    ],
    preview: async ({ from, to: until, overlap }) => {
      plan = await send(path`/api/schedule/${row.id}/backfill`, { from_at: new Date(from).toISOString(), to_at: new Date(until).toISOString(), overlap });
      return planned(plan, "sent");
    },
    run: ({ reason }) => send(path`/api/schedule/plans/${plan.token}`, { reason, until_at: null, count: plan.count }),
  });
  if (!over) return;
  toast(`${plural(over.done, "occurrence")} of ${row.name} under way`);
  done();
}
