// How deep the queues were in the last hours: the fullest ones, one line each.
import { Chart, most } from "./chart.js";
import { html } from "./dom.js";
import { Panel } from "./frame.js";
import { useResource } from "./store.js";

const LINES = 6;
const top = (queue) => Math.max(0, ...queue.history.waiting.map((value) => value ?? 0));

export function Depth() {
  const queues = useResource("/api/queues", { query: { limit: 200 }, topics: [], every: 60_000 });
  const fullest = (queues.data?.items || []).filter((one) => one.history.waiting.length > 1).sort((one, other) => top(other) - top(one)).slice(0, LINES);
  if (!fullest.length) return null;
  const { every_s: step, until_at: until } = fullest[0].history;
  const length = Math.max(...fullest.map((one) => one.history.waiting.length));
  const from = new Date(new Date(until) - (length - 1) * step * 1_000).toISOString();
  const padded = (values) => [...Array.from({ length: length - values.length }, () => 0), ...values.map((value) => value ?? 0)];
  const series = fullest.map((one) => ({ label: one.name, values: padded(one.history.waiting) }));
  return html`<${Panel}><${Chart} title="Waiting in queues" from=${from} step=${step} series=${series} join=${most} /><//>`;
}
