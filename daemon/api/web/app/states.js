// What stands where there is nothing to show: while loading, when empty, when refused, when stale. Each says what to do.
import { Fragment, classes, html, useEffect, useState } from "./dom.js";
import { clockTime } from "./format.js";

/** Rows of the final height, and only after 200 ms: what comes at once must not flicker. */
export function Skeleton({ rows = 6 }) {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 200);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="skeleton" role="status" aria-label="Loading">${isSlow && Array.from({ length: rows }, () => html`<i></i>`)}</div>`;
}

/** Nothing is there yet. `children`: what to do about it; `toml` and `shell`: lines to paste. */
export function Empty({ title, children, toml, shell, more }) {
  return html`<div class="empty">
    <h2>${title}</h2>
    ${children && html`<p>${children}</p>`}
    ${toml && html`<${Snippet} text=${toml} label="Lines for the site file" />`}
    ${shell && html`<${Snippet} text=${shell} label="Command" />`}
    ${more && html`<p>${more}</p>`}
  </div>`;
}

/** Nothing matches the filters: they stand there to be taken away one by one. */
export function NoMatch({ filters, onChange, all }) {
  const set = Object.entries(filters).filter(([, value]) => value !== "" && value !== undefined && value !== null && value !== false);
  return html`<div class="empty">
    <h2>Nothing matches</h2>
    <p>${all === undefined || all === null ? "" : `Without filters there are ${all}. `}Take a filter away, or all of them:</p>
    <p class="chips">
      ${set.map(([name, value]) => html`<button type="button" class="chip" onClick=${() => onChange({ [name]: "" })} aria-label=${`Take away the filter ${name} ${value}`}>${name.replaceAll("_", " ")}: ${String(value)} <span aria-hidden="true">×</span></button>`)}
      <button type="button" class="button small" onClick=${() => onChange(Object.fromEntries(set.map(([name]) => [name, ""])))}>Clear filters</button>
    </p>
  </div>`;
}

const WORDS = {
  0: "The daemon does not answer", 401: "You are signed out", 403: "Not permitted", 404: "Not there", 409: "Not now", 412: "Changed meanwhile",
  422: "Refused", 429: "Too often", 501: "Not with this broker", 503: "Not available now",
};

/** A refusal: what the API said, and what to do. */
export function Refusal({ problem, onRetry, inline = false }) {
  if (!problem) return null;
  return html`<div class=${classes("refusal", inline && "inline")} role="alert">
    <strong>${WORDS[problem.status] || problem.title || "That did not work"}</strong>
    <p>${problem.message}${problem.hint && html` <span class="hint">${problem.hint}</span>`}</p>
    ${problem.errors?.length > 0 && html`<ul>${problem.errors.map((one) => html`<li><code>${one.field}</code> ${one.detail}</li>`)}</ul>`}
    ${onRetry && html`<button type="button" class="button small" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

/**
 * Shows a resource of useResource/usePages: skeleton, refusal, or what `children(data)` draws; stale data stays, greyed, and says so.
 * html`<${Loaded} resource=${feeds} rows=${4}>${(data) => …}<//>`
 */
export function Loaded({ resource, rows, children }) {
  const { data, problem, reload, readAt } = resource;
  if (data === undefined && problem) return html`<${Refusal} problem=${problem} onRetry=${reload} />`;
  if (data === undefined) return html`<${Skeleton} rows=${rows} />`;
  return html`<${Fragment}>
    ${problem && html`<p class="stale-note" role="status"><span aria-hidden="true">▲</span> As it was at ${clockTime(readAt)}: ${problem.message} ${problem.hint}</p>`}
    <div class=${problem ? "stale" : undefined}>${children(data)}</div>
  <//>`;
}

/** Lines to copy. Where the clipboard is closed to us, the text is selected instead. */
export function Snippet({ text, label }) {
  const [said, say] = useState("");
  const copy = async (event) => {
    const block = event.currentTarget.parentElement.querySelector("pre");
    say(await copied(text, block) ? "Copied" : "Selected: press Ctrl+C");
    setTimeout(() => say(""), 3_000);
  };
  return html`<figure class="snippet" aria-label=${label}>
    <pre tabindex="0" role="group" aria-label=${label}>${text}</pre>
    <button type="button" class="button small" onClick=${copy}>${said || "Copy"}</button>
  </figure>`;
}

export async function copied(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (element) {
      const range = document.createRange();
      range.selectNodeContents(element);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
    }
    return false;
  }
}
