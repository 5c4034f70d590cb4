// Asks the API. Every refusal becomes a Problem, with what to do where the API says so.
import { signal } from "./signal.js";

export const LIMIT_MS = 15_000;

/** What the API is told with every change: the key of the session (against forged requests). Set by session.js. */
export const sessionKey = signal("");

/** Is called when the API says that nobody is signed in any more. */
export const signedOut = signal(0);

export class Problem extends Error {
  constructor(status, document = {}) {
    super(document.detail || document.title || "The request was refused.");
    this.status = status;
    this.code = document.code || "";
    this.title = document.title || "";
    this.hint = document.hint || "";
    this.errors = document.errors || [];
    this.document = document;
  }

  /** No answer came: the daemon or the way to it is away, so the page is stale rather than refused. */
  get isAway() {
    return this.status === 0;
  }

  /** What is wrong with a field of the form, if the API names it. */
  of(field) {
    const found = this.errors.find((one) => one.field === `body.${field}` || one.field === `query.${field}`);
    return found ? found.detail : "";
  }
}

/** Write a path with its parts percent-encoded: path`/api/schedule/${id}/pause`. */
export function path(parts, ...values) {
  return parts.reduce((text, part, at) => text + encodeURIComponent(values[at - 1]) + part);
}

/** Add a query string; empty values are left out, lists are repeated. */
export function withQuery(where, query = {}) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "" && one !== false) params.append(name, String(one));
    }
  }
  const text = params.toString();
  return text ? `${where}?${text}` : where;
}

async function read(response) {
  const kind = response.headers.get("content-type") || "";
  if (response.status === 204) return null;
  if (kind.includes("json")) return response.json();
  return response.text();
}

/** Ask; gives {data, etag, headers}. Options: method, query, body, etag (If-Match), key (Idempotency-Key),
 * accept, abort (a signal), isByItself (the page asks, not a person). */
export async function request(where, { method = "GET", query, body, etag, key, accept, abort, isByItself } = {}) {
  const headers = { Accept: accept || "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (etag) headers["If-Match"] = `"${etag}"`;
  if (key) headers["Idempotency-Key"] = key;
  if (isByItself) headers["X-Carillon-Background"] = "1"; // nobody asked: it does not put off the idle end of the session
  if (method !== "GET" && sessionKey.get()) headers["X-Carillon-Key"] = sessionKey.get();
  const limit = AbortSignal.timeout(LIMIT_MS + (body && body.wait ? 60_000 : 0));
  let response;
  let data;
  try {
    response = await fetch(withQuery(where, query), {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store",
      credentials: "same-origin", redirect: "error", signal: abort ? AbortSignal.any([limit, abort]) : limit,
    });
    data = await read(response);
  } catch (error) {
    if (abort && abort.aborted) throw error;
    throw new Problem(0, {
      title: "No answer", detail: "The daemon does not answer.",
      hint: "It may be restarting. This page tries again by itself.",
    });
  }
  if (!response.ok) {
    if (response.status === 401 && !where.startsWith("/api/session")) signedOut.set(signedOut.get() + 1);
    throw new Problem(response.status, data && typeof data === "object" ? data : { title: response.statusText });
  }
  const etagOf = (response.headers.get("etag") || "").replace(/^W\//, "").replaceAll('"', "");
  return { data, etag: etagOf, status: response.status, headers: response.headers };
}

/** Read: gives the body alone. */
export const ask = async (where, query, options = {}) => (await request(where, { ...options, query })).data;

/** Change something: POST unless options say otherwise. One press is one action, so each call has a key of its own. */
export const send = async (where, body = {}, options = {}) =>
  (await request(where, { method: "POST", body, key: newKey(), ...options })).data;

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
