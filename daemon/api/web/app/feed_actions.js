// What can be done to a feed.
import { path, send } from "./api.js";
import { confirm, REASON, UNTIL, untilAt } from "./dialog.js";
import { toast } from "./toast.js";

const POLICIES = [
  ["withhold", "take no more; senders wait (their connections stay open)"], ["close", "close; senders cannot connect"], ["reject", "refuse each message, so that senders keep it or raise an alarm"],
];
const NOTE = { ...REASON, name: "note" };

export function feedActions(done = () => {}) {
  return [
    { name: "resume", label: "Resume", act: (feed) => resume(feed, done) },
    { name: "pause", label: "Pause…", act: (feed) => pause(feed, done) },
    { name: "drain", label: "Drain…", more: true, danger: true, act: (feed) => drain(feed, done) },
  ];
}

async function pause(feed, done) {
  const paused = await confirm({
    tier: 2, title: `Pause ${feed.name}`, verb: "Pause", text: "Nothing more is taken from its senders. What is stored already goes on to the workers.",
    fields: [{ name: "policy", label: "What senders meet", kind: "select", value: "withhold", options: POLICIES }, NOTE, UNTIL],
    run: ({ policy, note, until_at: hours }) => send(path`/api/feeds/${feed.name}/pause`, { policy, note, until_at: untilAt(hours) }),
  });
  if (!paused) return;
  toast(`Paused ${feed.name}`, { undo: async () => done(await send(path`/api/feeds/${feed.name}/resume`)) });
  done(paused);
}

async function resume(feed, done) {
  const resumed = await confirm({
    tier: 1, title: `Resume ${feed.name}`, verb: "Resume", text: feed.pause ? `Paused by ${feed.pause.who}: “${feed.pause.note}”. Senders may deliver all they kept at once.` : "Messages are taken again.",
    run: () => send(path`/api/feeds/${feed.name}/resume`),
  });
  if (!resumed) return;
  toast(`${feed.name} takes messages again`);
  done(resumed);
}

async function drain(feed, done) {
  const drained = await confirm({
    tier: 2, title: `Drain ${feed.name}`, verb: "Drain", danger: true, text: "Its port is closed, without an end, and what it has stored is handed over. For moving a feed elsewhere.", fields: [NOTE],
    run: ({ note }) => send(path`/api/feeds/${feed.name}/drain`, { note }),
  });
  if (!drained) return;
  toast(`Draining ${feed.name}`);
  done(drained);
}

export async function disconnect(feed, connection, done) {
  const closed = await confirm({
    tier: 2, title: `Disconnect ${connection.peer}`, verb: "Disconnect", text: `Closes connection ${connection.number} of ${feed.name} after the message in hand. Most senders connect anew by themselves.`, fields: [{ ...NOTE, required: false, label: "Reason (may be left out)" }],
    run: ({ note }) => send(path`/api/feeds/${feed.name}/disconnect`, { number: connection.number, note }),
  });
  if (!closed) return;
  toast(`Disconnected ${connection.peer}`);
  done();
}
