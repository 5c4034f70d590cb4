// Buttons: exactly those the API allows for an object, in an order of ours. What is not allowed is not there.
import { classes, html, useEffect, useRef, useState } from "./dom.js";
import { live } from "./socket.js";
import { useSignal } from "./signal.js";

/**
 * list: [{name (as in allowed_actions), label, act(object), danger, more: true (behind ⋯)}]; of: the object; allowed: its allowed_actions.
 * isFolded puts all of them behind ⋯, for rows of a list. Buttons are off while the daemon is away.
 */
export function Actions({ list, of, allowed = of?.allowed_actions || [], size = "small", isFolded = false }) {
  const isAway = useSignal(live).mode === "away";
  const shown = list.filter((action) => allowed.includes(action.name));
  const front = shown.filter((action) => !action.more && !isFolded);
  const behind = shown.filter((action) => action.more || isFolded);
  if (!shown.length) return null;
  return html`<span class="actions">
    ${front.map((action) => html`<button key=${action.name} type="button" data-action=${action.name} class=${classes("button", size, action.danger && "danger-text")} disabled=${isAway} onClick=${() => action.act(of)}>${action.label}</button>`)}
    ${behind.length > 0 && html`<${Menu} label=${of?.name ? `Actions on ${of.name}` : "More actions"} face="⋯" size=${size}>
      ${behind.map((action) => html`<button key=${action.name} type="button" role="menuitem" data-action=${action.name} class=${classes(action.danger && "danger-text")} disabled=${isAway} onClick=${() => action.act(of)}>${action.label}</button>`)}
    <//>`}
  </span>`;
}

/** A button that opens a menu; arrows move in it, Escape closes it. */
export function Menu({ label, face, size, children, className }) {
  const [isOpen, setOpen] = useState(false);
  const [place, setPlace] = useState({});
  const box = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    box.current.querySelector("[role^=menuitem]")?.focus({ preventScroll: true });
    const away = (event) => box.current?.contains(event.target) || setOpen(false);
    const scrolled = (event) => box.current?.contains(event.target) || setOpen(false);
    document.addEventListener("pointerdown", away);
    addEventListener("scroll", scrolled, true);
    return () => {
      document.removeEventListener("pointerdown", away);
      removeEventListener("scroll", scrolled, true);
    };
  }, [isOpen]);
  // Fixed to the window, so that no box that scrolls cuts it off; above the button where there is no room below.
  const toggle = (event) => {
    const at = event.currentTarget.getBoundingClientRect();
    const right = `${Math.max(8, innerWidth - at.right)}px`;
    setPlace(at.bottom > innerHeight * 0.6 ? { right, bottom: `${innerHeight - at.top + 4}px` } : { right, top: `${at.bottom + 4}px` });
    setOpen(!isOpen);
  };
  const close = () => {
    setOpen(false);
    box.current?.querySelector("button")?.focus();
  };
  const keys = (event) => {
    if (!isOpen) return;
    const items = [...box.current.querySelectorAll("[role^=menuitem]:not([disabled])")];
    const at = items.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) items[(at + step + items.length) % items.length]?.focus();
    else if (event.key === "Home") items[0]?.focus();
    else if (event.key === "End") items.at(-1)?.focus();
    else if (event.key === "Escape") close();
    else if (event.key === "Tab") return void setOpen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const choose = (event) => event.target.closest("[role^=menuitem]") && setOpen(false);
  return html`<span class=${classes("menu", className)} ref=${box} onKeyDown=${keys}>
    <button type="button" class=${classes("button", size)} aria-haspopup="menu" aria-expanded=${isOpen ? "true" : "false"} aria-label=${label} onClick=${toggle}>${face}</button>
    ${isOpen && html`<span class="menu-list" role="menu" aria-label=${label} style=${place} onClick=${choose}>${children}</span>`}
  </span>`;
}
