// What is around every screen: site, screens, alerts, whether it is live, who is signed in, theme.
import { Menu } from "./actions.js";
import { Dialogs } from "./dialog.js";
import { classes, Fragment, html, useEffect, useState } from "./dom.js";
import { chooseZone, clockTime, now, zoneChoice, zoneName } from "./format.js";
import { hasLetters, isHelpOpen, KEYS, SCREEN_KEYS, setLetters } from "./keyboard.js";
import { Link, navigate, place } from "./router.js";
import { may, session, signOut } from "./session.js";
import { useSignal } from "./signal.js";
import { greeting, isWanted, live, setWanted } from "./socket.js";
import { useResource } from "./store.js";
import { chooseTheme, theme } from "./theme.js";
import { Toasts } from "./toast.js";

const SCREENS = Object.values(SCREEN_KEYS);

export function Frame({ children }) {
  const who = useSignal(session);
  return html`<${Fragment}>
    <a class="skip" href="#main">Skip to the screen</a>
    <header class=${classes("head", who.colour && who.colour !== "none" && `colour-${who.colour}`)}>
      <div class="head-row">
        <${Link} to="/" class="brand" aria-label=${`Carillon ${who.site}: overview`}><img src=${new URL("../icon.svg", import.meta.url).href} width="22" height="22" alt="" /><b>${who.site || "Carillon"}</b>${who.environment && html`<span class="environment">${who.environment}</span>`}<//>
        <${Screens} />
        <div class="head-end"><${Live} /><${Zone} /><${User} who=${who} /></div>
      </div>
      <${NotLive} />
      ${who.is_read_only && html`<p class="band quiet-band" role="note">Read only: this daemon takes no changes over the network.</p>`}
    </header>
    <main id="main">${children}</main>
    <${Toasts} /><${Dialogs} /><${Help} />
  <//>`;
}

function Screens() {
  const { path } = useSignal(place);
  const alerts = useResource("/api/alerts/status", { topics: ["alerts"], every: 30_000 });
  const open = alerts.data?.open || 0;
  const isOn = (to) => (to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`));
  return html`<nav class="screens" aria-label="Screens"><ul>
    ${SCREENS.map(([to, name]) => html`<li key=${to}><${Link} to=${to} aria-current=${isOn(to) ? "page" : undefined}>${name}${to === "/alerts" && open > 0 && html`<span class="badge"><span class="sr">, </span>${open}<span class="sr"> open</span></span>`}<//></li>`)}
  </ul></nav>`;
}

function Live() {
  const { mode } = useSignal(live);
  const wanted = useSignal(isWanted);
  const [word, tone] = !wanted ? ["Live off", "quiet"] : {
    live: ["Live", "ok"], polling: ["Every 5 s", "late"], connecting: ["Connecting", "quiet"], away: ["Not live", "bad"], off: ["Paused", "quiet"],
  }[mode];
  const hint = mode === "polling" ? "Something between this browser and the daemon lets no WebSocket through; the page is read again every 5 seconds." : "Switch live updates on or off (l)";
  return html`<span class="sr" role="status">${word}</span><button type="button" class=${`live tone-${tone}`} aria-pressed=${wanted ? "true" : "false"} title=${hint} onClick=${() => setWanted(!wanted)}>
    <span class="shape" aria-hidden="true">${tone === "ok" ? "●" : tone === "bad" ? "◆" : tone === "late" ? "▲" : "○"}</span><span>${word}</span>
  </button>`;
}

function Zone() {
  useSignal(now);
  useSignal(zoneChoice);
  return html`<span class="clock" title="Time by the daemon's clock">${clockTime(now.get())} <span class="muted">${zoneName()}</span></span>`;
}

function NotLive() {
  const { mode, since, retryAt } = useSignal(live);
  const told = useSignal(greeting);
  useSignal(now);
  if (told && told.version !== told.first) {
    return html`<p class="band quiet-band" role="status">The daemon runs version ${told.version} now. <button type="button" class="button small" onClick=${() => location.reload()}>Reload the page</button></p>`;
  }
  if (mode !== "away") return null;
  const wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000));
  return html`<p class="band bad-band"><span role="status">Not live since ${clockTime(since)}.</span> ${wait ? ` Trying again in ${wait} s.` : " Trying again…"} What is shown may be old; nothing can be changed meanwhile.</p>`;
}

function User({ who }) {
  const zone = useSignal(zoneChoice);
  const hue = useSignal(theme);
  const letters = useSignal(hasLetters);
  const radio = (isOn, label, act) => html`<button type="button" role="menuitemradio" aria-checked=${isOn ? "true" : "false"} onClick=${act}>${label}</button>`;
  return html`<${Menu} label=${`Menu of ${who.who}, ${who.role}`} face=${html`<span class="who">${who.who}</span><span aria-hidden="true"> ▾</span>`} size="small" className="user">
    <span class="menu-head">${who.who} · ${who.role}${who.capabilities?.length ? ` · ${who.capabilities.join(", ")}` : ""}</span>
    ${may("admin") && html`<button type="button" role="menuitem" onClick=${() => navigate("/audit")}>Audit</button>`}
    <button type="button" role="menuitem" onClick=${() => navigate("/settings")}>System and settings</button>
    <span class="menu-head">Theme</span>
    ${["system", "light", "dark"].map((one) => radio(hue === one, one, () => chooseTheme(one)))}
    <span class="menu-head">Times in</span>
    ${[["site", `the site's zone (${who.zone || "UTC"})`], ["viewer", "my zone"], ["UTC", "UTC"]].map(([one, label]) => radio(zone === one, label, () => chooseZone(one)))}
    <span class="menu-head">Keyboard</span>
    <button type="button" role="menuitem" onClick=${() => isHelpOpen.set(true)}>Shortcuts</button>
    <button type="button" role="menuitemcheckbox" aria-checked=${letters ? "true" : "false"} onClick=${() => setLetters(!letters)}>One-letter keys</button>
    <button type="button" role="menuitem" class="rule-above" onClick=${signOut}>Sign out</button>
  <//>`;
}

function Help() {
  const isOpen = useSignal(isHelpOpen);
  const [box, setBox] = useState(null);
  useEffect(() => void (isOpen && box && !box.open && box.showModal()), [isOpen, box]);
  if (!isOpen) return null;
  const close = () => isHelpOpen.set(false);
  return html`<dialog class="dialog" ref=${setBox} aria-labelledby="help-title" onClose=${close}>
    <h2 id="help-title">Keyboard</h2>
    <dl class="keys">${KEYS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
      ${Object.entries(SCREEN_KEYS).map(([key, [, name]]) => html`<div><dt><kbd>g ${key}</kbd></dt><dd>${name}</dd></div>`)}</dl>
    <div class="dialog-buttons"><button type="button" class="button" onClick=${() => box.close()}>Close</button></div>
  </dialog>`;
}

/** The head of a screen: its one h1, what it is of, and what can be done. crumbs: [[to, label]]. */
export function ScreenHead({ title, crumbs = [], beside, children }) {
  useEffect(() => {
    document.title = `${title} · ${session.get()?.site || "Carillon"}`;
  }, [title]);
  return html`<div class="screen-head">
    ${crumbs.length > 0 && html`<nav class="crumbs" aria-label="Where this is">${crumbs.map(([to, label]) => html`<${Link} key=${to} to=${to}>${label}<//> <span aria-hidden="true">/</span> `)}</nav>`}
    <div class="screen-title"><h1 tabindex="-1">${title}</h1>${beside && html`<span class="beside">${beside}</span>`}<div class="screen-actions">${children}</div></div>
  </div>`;
}

/** A part of a screen with a heading. */
export function Panel({ title, beside, children, className }) {
  return html`<section class=${classes("panel", className)} aria-label=${title}>
    ${title && html`<header class="panel-head"><h2>${title}</h2>${beside && html`<span class="beside">${beside}</span>`}</header>`}
    ${children}
  </section>`;
}
