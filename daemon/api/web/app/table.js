// Lists: real tables with captions and headers, sorted by buttons, read by j and k, stacked as cards on a phone.
import { classes, html, useEffect, useMemo, useRef, useState } from "./dom.js";
import { count } from "./format.js";

/**
 * Keep rows where they are while a pointer or the focus is among them: values change in place, new rows wait in a pill.
 * Gives {shown, fresh, showFresh, hold}; spread `hold` on the element around the rows.
 */
export function useHeldRows(rows, keyOf) {
  const [isHeld, setHeld] = useState(false);
  const order = useRef(null);
  const keys = rows.map(keyOf);
  const byKey = useMemo(() => new Map(rows.map((row) => [keyOf(row), row])), [rows]);
  if (!isHeld || !order.current) order.current = keys;
  const known = new Set(order.current);
  const fresh = isHeld ? keys.filter((key) => !known.has(key)) : [];
  // A list that was filtered anew shares next to nothing with what was held: it is shown as it is.
  const left = order.current.filter((key) => byKey.has(key));
  if (isHeld && left.length * 2 < Math.min(order.current.length, keys.length)) {
    order.current = keys;
    return { shown: rows, fresh: 0, showFresh: () => {}, hold: holding(setHeld) };
  }
  return {
    shown: isHeld ? left.map((key) => byKey.get(key)) : rows,
    fresh: fresh.length,
    showFresh: () => {
      order.current = null;
      setHeld(false);
    },
    hold: holding(setHeld),
  };
}

const holding = (setHeld) => ({
  onPointerEnter: (event) => event.pointerType === "mouse" && setHeld(true),
  onPointerLeave: (event) => !event.currentTarget.contains(document.activeElement) && setHeld(false),
  onFocusIn: () => setHeld(true),
  onFocusOut: (event) => !event.currentTarget.contains(event.relatedTarget) && setHeld(false),
});

/**
 * A table.
 *
 * columns: [{name, label, of(row) → cell, sort: "key of the API" or undefined, number: true, phone: true (shown on a phone, default all but `wide`), wide: true, hint}]
 * sort: {by, isDescending}, onSort(by, isDescending); keyOf(row); link(row) → where Enter leads;
 * selected: Set and onSelect(Set) for check boxes; below(row): a line under the row; rowTone(row).
 */
export function Table({ caption, columns, rows, keyOf, link, sort, onSort, selected, onSelect, below, rowTone, isHeld = true }) {
  const { shown, fresh, showFresh, hold } = useHeldRows(rows, keyOf);
  const drawn = isHeld ? shown : rows;
  const all = selected && drawn.length > 0 && drawn.every((row) => selected.has(keyOf(row)));
  const chooseAll = () => {
    const next = new Set(selected);
    for (const row of drawn) all ? next.delete(keyOf(row)) : next.add(keyOf(row));
    onSelect(next);
  };
  const choose = (key) => {
    const next = new Set(selected);
    next.has(key) ? next.delete(key) : next.add(key);
    onSelect(next);
  };
  return html`<div class="table-box" ...${hold}>
    ${isHeld && fresh > 0 && html`<button type="button" class="fresh" onClick=${showFresh}>${count(fresh)} new</button>`}
    <table>
      <caption class="sr">${caption}</caption>
      <thead><tr>
        ${selected && html`<th scope="col" class="choose"><${Tick} checked=${all} some=${selected.size > 0 && !all} onChange=${chooseAll} label="Select all shown" /></th>`}
        ${columns.map((column) => html`<${Head} key=${column.name} column=${column} sort=${sort} onSort=${onSort} />`)}
      </tr></thead>
      ${drawn.map((row) => {
        const key = keyOf(row);
        const more = below?.(row);
        return html`<tbody key=${key} class=${classes("row", rowTone?.(row) && `row-${rowTone(row)}`, selected?.has(key) && "chosen")} data-row=${key} data-link=${link?.(row)}>
          <tr>
            ${selected && html`<td class="choose"><${Tick} checked=${selected.has(key)} onChange=${() => choose(key)} label=${`Select ${key}`} /></td>`}
            ${columns.map((column, at) => cell(column, row, at))}
          </tr>
          ${more && html`<tr class="below"><td colspan=${columns.length + (selected ? 1 : 0)}>${more}</td></tr>`}
        </tbody>`;
      })}
    </table>
  </div>`;
}

function cell(column, row) {
  const name = classes(column.number && "number", column.wide && "wide", column.name && `col-${column.name}`);
  const value = column.of(row);
  const inside = value === null || value === undefined || value === "" ? html`<span class="muted">–</span>` : value;
  if (column.isHead) return html`<th scope="row" class=${name} data-label=${column.label}>${inside}</th>`;
  return html`<td class=${name} data-label=${column.label}><span class="value">${inside}</span></td>`;
}

function Head({ column, sort, onSort }) {
  const name = classes(column.number && "number", column.wide && "wide");
  if (!column.sort || !onSort) return html`<th scope="col" class=${name} title=${column.hint}>${column.label || html`<span class="sr">${column.name}</span>`}</th>`;
  const isIt = sort?.by === column.sort;
  const says = isIt ? (sort.isDescending ? "descending" : "ascending") : "none";
  return html`<th scope="col" class=${name} aria-sort=${says} title=${column.hint}>
    <button type="button" class="sort" onClick=${() => onSort(column.sort, isIt ? !sort.isDescending : false)}>
      ${column.label}<span class="arrow" aria-hidden="true">${isIt ? (sort.isDescending ? "▾" : "▴") : ""}</span>
    </button>
  </th>`;
}

function Tick({ checked, some = false, onChange, label }) {
  const box = useRef(null);
  useEffect(() => {
    box.current.indeterminate = some;
  }, [some]);
  return html`<label class="tick"><input type="checkbox" ref=${box} checked=${checked} onChange=${onChange} aria-label=${label} /></label>`;
}

/** Below a list of usePages: how many are shown, and the way on. */
export function More({ pages, noun = "row" }) {
  const { items, total, hasMore, more, isReadingMore, moreProblem } = pages;
  if (!items?.length) return null;
  const of = total === null || total === undefined ? "" : ` of ${count(total)}`;
  return html`<p class="more">
    <span>${hasMore || of ? `1–${count(items.length)}${of}` : `${count(items.length)} ${items.length === 1 ? noun : `${noun}s`}`}</span>
    ${hasMore && html`<button type="button" class="button small" disabled=${isReadingMore} onClick=${more}>${isReadingMore ? "Reading…" : "Show more"}</button>`}
    ${moreProblem && html`<span class="tone-bad">${moreProblem.message}</span>`}
  </p>`;
}

/** Names and values of one thing: [[label, value], …]; what is null or "" is left out. */
export function Facts({ facts }) {
  const said = facts.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return html`<dl class="facts">${said.map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}
