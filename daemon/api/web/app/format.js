// How times, spans, rates, sizes and counts are written: 24 hours, the zone said, the same everywhere.
import { html } from "./dom.js";
import { kept, keep } from "./kept.js";
import { signal, useSignal } from "./signal.js";

/** "site", "viewer" or "UTC"; the site's zone comes with the session. */
export const zoneChoice = signal(kept("zone", "site"));
export const siteZone = signal("UTC");
/** The time by the daemon's clock, once a second: what "in 4 min" is counted from. */
export const now = signal(Date.now());
let skew = 0;

setInterval(() => document.hidden || now.set(Date.now() + skew), 1_000);

/** Take the daemon's clock for right: a viewer's may be wrong, and lateness must not be. */
export function setClock(iso) {
  const there = Date.parse(iso);
  if (Number.isFinite(there) && Math.abs(there - Date.now() - skew) > 2_000) skew = there - Date.now();
}

export function chooseZone(choice) {
  keep("zone", choice);
  zoneChoice.set(choice);
}

export const zone = () =>
  ({ site: siteZone.get(), viewer: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC", UTC: "UTC" })[zoneChoice.get()] || "UTC";

const formats = new Map();
function format(name, options) {
  const key = `${name} ${zone()}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone(), hourCycle: "h23", ...options }));
  return formats.get(key);
}

const instant = (at) => (at instanceof Date ? at : new Date(at));
export const clockTime = (at) => format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(instant(at));
export const hourTime = (at) => format("hour", { hour: "2-digit", minute: "2-digit" }).format(instant(at));
export const day = (at) => format("day", { year: "numeric", month: "2-digit", day: "2-digit" }).format(instant(at)).split("/").reverse().join("-");
export const shortDay = (at) => format("short", { weekday: "short", day: "numeric", month: "short" }).format(instant(at)).replace(",", "");
export const weekday = (at) => format("weekday", { weekday: "short" }).format(instant(at));

const named = new Map();
/** "EST", "CET" or "GMT+9": what the zone is called at that instant. Each language knows the names of its own places only. */
export function zoneName(at = now.get()) {
  const found = ["en-US", "en-GB", "en-AU"].map((language) => {
    const key = `${language} ${zone()}`;
    if (!named.has(key)) named.set(key, new Intl.DateTimeFormat(language, { timeZone: zone(), timeZoneName: "short" }));
    return named.get(key).formatToParts(instant(at)).find((part) => part.type === "timeZoneName")?.value || "UTC";
  });
  return found.find((name) => !name.startsWith("GMT")) || found[0];
}

/** Today the time of day, within a week the weekday too, else the date. */
export function moment(at, { seconds = false } = {}) {
  const time = seconds ? clockTime(at) : hourTime(at);
  if (day(at) === day(now.get())) return time;
  const away = Math.abs(instant(at) - now.get());
  return away < 6 * 86_400_000 ? `${weekday(at)} ${time}` : `${day(at)} ${time}`;
}

export const exact = (at) => `${day(at)} ${clockTime(at)} ${zoneName(at)} (${instant(at).toISOString()})`;

/** "340 ms", "4.2 s", "4 min 10 s", "1 h 04 min", "3 d 2 h". */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const sign = seconds < 0 ? "−" : "";
  const s = Math.abs(seconds);
  if (s < 0.0005) return "0 s";
  if (s < 0.9995) return `${sign}${s < 0.01 ? Number((s * 1000).toFixed(1)) : Math.round(s * 1000)} ms`;
  if (s < 9.95) return `${sign}${Number(s.toFixed(1))} s`;
  if (s < 59.5) return `${sign}${Math.round(s)} s`;
  const whole = Math.round(s);
  if (whole < 600) return `${sign}${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  if (whole < 3_600) return `${sign}${Math.round(whole / 60)} min`;
  if (whole < 86_400) {
    const minutes = Math.round(whole / 60);
    return `${sign}${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${String(minutes % 60).padStart(2, "0")} min` : ""}`;
  }
  const hours = Math.round(whole / 3_600);
  return `${sign}${Math.floor(hours / 24)} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
}

/** One unit: "4 s", "12 min", "3 h", "5 d". */
export function roughly(seconds) {
  const s = Math.abs(seconds);
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3_570) return `${Math.round(s / 60)} min`;
  if (s < 84_600) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** "in 4 min", "2 h ago", "now": beside an absolute time only. */
export function relative(at) {
  const seconds = (instant(at) - now.get()) / 1_000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `in ${roughly(seconds)}` : `${roughly(seconds)} ago`;
}

const whole = new Intl.NumberFormat("en-GB");
/** Thin spaces between thousands: "12 345". */
export const count = (value) => (value === null || value === undefined ? "–" : whole.format(value).replaceAll(",", "\u202f"));
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (value) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(value > 0.9995 || value * 100 >= 99.95 || value === 0 ? 0 : 1)} %`);

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  let value = bytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1_024) return `${unit === "B" || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`;
    value /= 1_024;
  }
  return `${value.toFixed(1)} TiB`;
}

/** A rate per minute, or per hour where that is less than one. */
export function rate(perMinute) {
  if (perMinute === null || perMinute === undefined) return "–";
  if (perMinute === 0) return "0";
  return perMinute >= 0.95 ? `${Number(perMinute.toFixed(perMinute < 10 ? 1 : 0))}/min` : `${Number((perMinute * 60).toFixed(1))}/h`;
}

/** An instant on the page: absolute, relative beside it if wanted, exact on hover and for programs. */
export function Time({ at, away = false, seconds = false, none = "–" }) {
  useSignal(zoneChoice);
  if (!at) return html`<span class="muted">${none}</span>`;
  return html`<time datetime=${instant(at).toISOString()} title=${exact(at)}>${moment(at, { seconds })}${away && html`<${Away} at=${at} />`}</time>`;
}

/** How far an instant is away, told anew as time goes. */
export function Away({ at }) {
  useSignal(now);
  return html`<span class="away"> ${relative(at)}</span>`;
}

/** How long since: counts on by itself. */
export function Since({ at }) {
  useSignal(now);
  if (!at) return html`<span class="muted">–</span>`;
  return html`<time datetime=${instant(at).toISOString()} title=${exact(at)}>${span(Math.max(0, Math.round((now.get() - instant(at)) / 1_000)))}</time>`;
}
