// Which screen is shown: the path says, filters stand in the query string, and both survive a reload.
import { html, useCallback } from "./dom.js";
import { signal, useSignal } from "./signal.js";

const here = () => ({ path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search)) });

export const place = signal(here());

addEventListener("popstate", () => place.set(here()));

export function navigate(to, { replace = false } = {}) {
  const url = new URL(to, location.href);
  if (url.origin !== location.origin) return;
  history[replace ? "replaceState" : "pushState"](null, "", url);
  const isElsewhere = url.pathname !== place.get().path;
  place.set(here());
  if (isElsewhere) {
    scrollTo(0, 0);
    // A screen reader hears where it is: the heading of the new screen takes the focus.
    requestAnimationFrame(() => document.querySelector("main h1")?.focus({ preventScroll: true }));
  }
}

/** A link within the page. Opened in a new tab it is an ordinary one. */
export function Link({ to, children, ...rest }) {
  const follow = (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return html`<a href=${to} onClick=${follow} ...${rest}>${children}</a>`;
}

/** Filters of a screen: [values, change(values)]. What is empty or as by default is not written. */
export function useQuery(defaults = {}) {
  const { query } = useSignal(place);
  const change = useCallback((values) => {
    const next = { ...place.get().query, ...values };
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(next)) {
      if (value !== "" && value !== undefined && value !== null && value !== false && String(value) !== String(defaults[name] ?? ""))
        params.set(name, String(value));
    }
    const text = params.toString();
    navigate(place.get().path + (text ? `?${text}` : ""), { replace: true });
  }, []);
  return [{ ...defaults, ...query }, change];
}

/** Find the screen of a path among [{path, screen}]; a path like /feeds/:name takes what follows. */
export function resolve(routes, where) {
  for (const route of routes) {
    const [start, name] = route.path.split("/:");
    if (!name && where === route.path) return { route, parts: {} };
    if (name && where.startsWith(`${start}/`) && where.length > start.length + 1) {
      return { route, parts: { [name]: decodeURIComponent(where.slice(start.length + 1)) } };
    }
  }
  return null;
}

/** Write the address of one thing: to`/schedules/${name}`. */
export const to = (parts, ...values) => parts.reduce((text, part, at) => text + encodeURIComponent(values[at - 1]) + part);
