// One-letter keys: for screens, rows and actions. They can be switched off, and do nothing while somebody types.
import { keep, kept } from "./kept.js";
import { navigate } from "./router.js";
import { signal } from "./signal.js";
import { nextTheme } from "./theme.js";
import { isWanted, setWanted } from "./socket.js";

export const hasLetters = signal(kept("letters", true));
export const isHelpOpen = signal(false);

export function setLetters(wanted) {
  keep("letters", wanted);
  hasLetters.set(wanted);
}

export const SCREEN_KEYS = {
  o: ["/", "Overview"], s: ["/schedules", "Schedules"], f: ["/feeds", "Feeds"], m: ["/messages", "Messages"], t: ["/tasks", "Tasks"],
  w: ["/workers", "Workers"], q: ["/queues", "Queues"], a: ["/alerts", "Alerts"],
};
export const KEYS = [
  ["/", "search"], ["?", "this help"], ["g, then a letter", "go to a screen"], ["j  k", "next and previous row"], ["x", "select the row"],
  ["Enter", "open the row"], ["p", "pause, or resume"], ["r", "run now, or replay (asks first)"], ["l", "live on and off"], ["t", "theme"], ["Esc", "back"],
];
const ROW_ACTIONS = { p: ["pause", "resume"], r: ["trigger", "replay", "retry"] };

let isGoing = 0;
const rows = () => [...document.querySelectorAll("main [data-row]")];
const row = () => document.activeElement?.closest?.("[data-row]");

function step(by) {
  const all = rows();
  if (!all.length) return;
  const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(row()) + by))];
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(names) {
  const where = row() || document.querySelector("main .screen-actions");
  for (const name of names) {
    const button = where?.querySelector(`[data-action="${name}"]`);
    if (button) return button.click();
  }
  // On a row whose buttons are not drawn, the screen itself may know the action.
  const key = row()?.dataset.row;
  if (key) dispatchEvent(new CustomEvent("carillon-action", { detail: { names, key } }));
  return undefined;
}

const isTyping = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

function back() {
  const parts = location.pathname.split("/").filter(Boolean);
  if (parts.length > 1) navigate(`/${parts[0]}`);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (isTyping(event.target)) event.target.blur();
    else back();
    return;
  }
  if (event.key === "Enter" && event.target.dataset?.link) return void navigate(event.target.dataset.link);
  if (isTyping(event.target) || !hasLetters.get()) return;
  const key = event.key;
  if (isGoing && Date.now() - isGoing < 1_500 && SCREEN_KEYS[key]) {
    isGoing = 0;
    navigate(SCREEN_KEYS[key][0]);
  } else if (key === "g") isGoing = Date.now();
  else if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === "x") row()?.querySelector("input[type=checkbox]")?.click();
  else if (key === "/") document.querySelector("[data-search]")?.focus();
  else if (key === "?") isHelpOpen.set(true);
  else if (key === "l") setWanted(!isWanted.get());
  else if (key === "t") nextTheme();
  else if (ROW_ACTIONS[key]) press(ROW_ACTIONS[key]);
  else return;
  if (key !== "g") isGoing = 0;
  event.preventDefault();
});

/** Let a list act on the row under the keyboard: actions by name, find(key) gives the object. */
export function onRowAction(actions, find) {
  const heard = ({ detail }) => {
    const object = find(detail.key);
    const action = object && actions.find((one) => detail.names.includes(one.name) && object.allowed_actions?.includes(one.name));
    action?.act(object);
  };
  addEventListener("carillon-action", heard);
  return () => removeEventListener("carillon-action", heard);
}
