// What screens read: asked once, kept while looked at, read again when the socket says that it changed.
import { ask, Problem, request, withQuery } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./dom.js";
import { setClock } from "./format.js";
import { answered, follow, isWanted } from "./socket.js";

/** However much happens, nothing is read more often than this. */
export const SETTLE_MS = 500;
const SLOWEST_RETRY_MS = 30_000;
const remembered = new Map(); // what was shown last under an address, so that going back shows it at once
const REMEMBERED = 30;

function remember(key, entry) {
  remembered.delete(key);
  remembered.set(key, entry);
  if (remembered.size > REMEMBERED) remembered.delete(remembered.keys().next().value);
}

export const forgetAll = () => remembered.clear();

/**
 * Read an address and keep it fresh.
 *
 * Options: query; topics: of the socket, any of which means "read again"; every: milliseconds, for what no topic tells;
 * isLive: false reads it once; take(message, data): may give new data straight from a message of the socket instead.
 * Gives {data, etag, problem, isLoading, readAt, reload(), setData(data)}. `problem` beside `data` means: stale.
 */
export function useResource(where, { query, topics = [], every = 0, isLive = true, take } = {}) {
  const key = where ? withQuery(where, query) : "";
  const [state, setState] = useState(() => ({ key, ...(remembered.get(key) || {}), isLoading: Boolean(key) }));
  const current = useRef({});
  current.current.take = take;

  const reload = useCallback(() => current.current.read?.(true), []);
  const setData = useCallback((data) => setState((before) => ({ ...before, data })), []);

  useEffect(() => {
    if (!key) return undefined;
    let isGone = false;
    let timer = 0;
    let readAt = 0;
    let isReading = false;
    let isWantedAgain = false;
    let failures = 0;
    let drawing = 0;
    let drawnAt = 0;
    const abort = new AbortController();
    current.current.data = remembered.get(key)?.data;
    setState((before) => (before.key === key ? before : { key, ...(remembered.get(key) || {}), isLoading: true }));

    const plan = (wait) => {
      clearTimeout(timer);
      timer = setTimeout(() => read(), wait);
    };
    const soon = () => {
      if (isReading) isWantedAgain = true;
      else plan(Math.max(0, SETTLE_MS - (Date.now() - readAt)));
    };
    async function read(isAsked = false) {
      clearTimeout(timer);
      if (isReading) return void (isWantedAgain = true);
      isReading = true;
      readAt = Date.now();
      try {
        const { data, etag, headers } = await request(key, { abort: abort.signal, isByItself: !isAsked });
        if (isGone) return;
        setClock(headers.get("date"));
        failures = 0;
        current.current.data = data;
        const entry = { data, etag, problem: null, readAt: Date.now() };
        remember(key, entry);
        setState({ key, ...entry, isLoading: false });
        answered(true);
      } catch (problem) {
        if (isGone || abort.signal.aborted) return;
        failures += 1;
        if (problem.isAway) answered(false);
        setState((before) => ({ ...before, problem: problem instanceof Problem ? problem : new Problem(0, { detail: String(problem) }), isLoading: false }));
      } finally {
        isReading = false;
        if (!isGone) {
          if (isWantedAgain) soon();
          else if (failures) plan(Math.min(SLOWEST_RETRY_MS, 1_000 * 2 ** Math.min(failures, 5)));
          else if (every && isLive) plan(every);
        }
        isWantedAgain = false;
      }
    }
    current.current.read = read;
    const heard = (message) => {
      if (!isLive || !isWanted.get()) return;
      const taken = message.data !== undefined && current.current.data && current.current.take?.(message, current.current.data);
      if (!taken) return void soon();
      current.current.data = taken;
      // Drawn at most twice a second, however many come.
      drawing ||= setTimeout(() => {
        drawing = 0;
        setState((before) => ({ ...before, data: current.current.data, problem: null, readAt: Date.now() }));
      }, Math.max(0, SETTLE_MS - (Date.now() - drawnAt)));
      drawnAt = Date.now();
    };
    const ends = topics.map((topic) => follow(topic, heard));
    read();
    return () => {
      isGone = true;
      clearTimeout(timer);
      clearTimeout(drawing);
      abort.abort();
      ends.forEach((end) => end());
    };
  }, [key, isLive, every, topics.join()]);

  return { ...(state.key === key ? state : { isLoading: Boolean(key) }), reload, setData };
}

/**
 * Read a list page by page: {items, first, total, hasMore, more(), isLoading, problem, reload}.
 * `first` is the newest first page with all beside its items; pages read on by more() stay until the filters change.
 */
export function usePages(where, { query, ...options } = {}) {
  const first = useResource(where, { query, ...options });
  const key = withQuery(where, query);
  const [rest, setRest] = useState({ key, items: [], next: undefined });
  const further = rest.key === key ? rest : { key, items: [], next: undefined };
  const next = further.next === undefined ? first.data?.next : further.next;
  const more = useCallback(async () => {
    if (!next) return;
    setRest((before) => ({ ...before, isReading: true }));
    try {
      const page = await ask(where, { ...query, after: next });
      setRest({ key, items: [...further.items, ...page.items], next: page.next ?? null });
    } catch (problem) {
      setRest({ ...further, problem });
    }
  }, [key, next, further.items]);
  return {
    ...first,
    first: first.data,
    items: first.data ? [...first.data.items, ...further.items] : undefined,
    total: first.data?.total ?? null,
    hasMore: Boolean(next),
    isReadingMore: Boolean(further.isReading),
    moreProblem: further.problem,
    more,
  };
}
