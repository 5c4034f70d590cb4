// What happens, as it happens: one WebSocket for the whole page. Where none can be had, screens are read again every few seconds.
import { signedOut } from "./api.js";
import { signal } from "./signal.js";
import { kept, keep } from "./kept.js";

export const POLL_MS = 5_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
const HIDDEN_MS = 15_000;
/** The close code that means: the session has ended. */
const SIGNED_OUT = 4401;

/** {mode: "off" | "connecting" | "live" | "polling" | "away", since, retryAt}. */
export const live = signal({ mode: "off", since: Date.now(), retryAt: 0 });
/** What the daemon said it is when the socket opened: {version, site, …}. Another version means: reload. */
export const greeting = signal(null);
export const isWanted = signal(kept("live", true));

const followers = new Map(); // topic -> Set of functions
let socket = null;
let cursor = null;
let tries = 0;
let opened = false;
let timer = 0;
let poll = 0;
let hiding = 0;

const tell = (topic, message) => followers.get(topic)?.forEach((follower) => follower(message));
const tellAll = (message) => followers.forEach((_, topic) => tell(topic, message));

function say(mode, more = {}) {
  const now = live.get();
  live.set({ mode, since: now.mode === mode ? now.since : Date.now(), retryAt: 0, ...more });
}

/** Follow a topic: {kind: "event" | "snapshot" | "gap" | "poll", topic, data}. Gives a function that stops it. */
export function follow(topic, follower) {
  if (!followers.has(topic)) followers.set(topic, new Set());
  followers.get(topic).add(follower);
  subscribe();
  return () => {
    const rest = followers.get(topic);
    rest?.delete(follower);
    if (rest?.size === 0) {
      followers.delete(topic);
      subscribe();
    }
  };
}

let subscribing = 0;
let subscribed = new Set();
function subscribe() {
  // Screens come and go within one redraw: what is the outcome is said once.
  clearTimeout(subscribing);
  subscribing = setTimeout(() => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    const wanted = [...followers.keys()];
    const added = wanted.filter((topic) => !subscribed.has(topic)).sort();
    const gone = [...subscribed].filter((topic) => !followers.has(topic)).sort();
    const since = !subscribed.size && cursor ? { since: cursor } : {};
    if (added.length) socket.send(JSON.stringify({ subscribe: added, ...since }));
    if (gone.length) socket.send(JSON.stringify({ unsubscribe: gone }));
    subscribed = new Set(wanted);
  }, 20);
}

export function start() {
  if (!isWanted.get() || socket || document.hidden) return;
  say(tries ? "away" : "connecting");
  clearTimeout(timer);
  const url = new URL("/api/ws/events", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(url);
  socket = mine;
  opened = false;
  subscribed = new Set();
  mine.onopen = () => subscribe();
  mine.onmessage = ({ data }) => mine === socket && heard(JSON.parse(data));
  mine.onclose = ({ code }) => mine === socket && closed(code);
}

function heard(message) {
  if (message.cursor && (message.type !== "hello" || !cursor)) cursor = message.cursor;
  if (message.type === "hello") {
    opened = true;
    tries = 0;
    stopPolling();
    if (greeting.get() && live.get().mode !== "live") tellAll({ kind: "gap" });
    if (!greeting.get() || greeting.get().version !== message.version) greeting.set({ ...message, first: greeting.get()?.first ?? message.version });
    say("live");
  } else if (message.topic) tell(message.topic, { kind: message.type, topic: message.topic, data: message.data });
  else if (message.type === "gap") tellAll({ kind: "gap" });
}

function closed(code) {
  socket = null;
  if (code === SIGNED_OUT) signedOut.set(signedOut.get() + 1);
  if (!isWanted.get() || document.hidden) return;
  const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
  tries += 1;
  // A way that lets requests through and no WebSocket is polled; when nothing answers, that shows in the requests too.
  if (!opened && tries >= 2) startPolling();
  else if (!poll) say("away", { retryAt: Date.now() + wait });
  clearTimeout(timer);
  timer = setTimeout(start, poll ? 30_000 : wait);
}

function startPolling() {
  if (poll) return;
  say("polling");
  poll = setInterval(() => document.hidden || tellAll({ kind: "poll" }), POLL_MS);
  tellAll({ kind: "poll" });
}

function stopPolling() {
  clearInterval(poll);
  poll = 0;
}

/** A request was answered, or was not: without a socket that is how the page knows. */
export function answered(isThere) {
  if (!poll) return;
  say(isThere ? "polling" : "away");
}

export function stop() {
  const mine = socket;
  socket = null;
  clearTimeout(timer);
  stopPolling();
  mine?.close(1000);
  say("off");
}

export function setWanted(wanted) {
  keep("live", wanted);
  isWanted.set(wanted);
  if (wanted) {
    tries = 0;
    start();
    tellAll({ kind: "gap" });
  } else stop();
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(stop, HIDDEN_MS);
  } else if (!socket && isWanted.get()) {
    tries = 0;
    start();
  }
});
