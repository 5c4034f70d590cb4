// Light, dark, or as the system is. early.js sets it before the first paint.
import { signal } from "./signal.js";

const KEY = "carillon.theme"; // plain text, for early.js
const CHOICES = ["system", "light", "dark"];

function chosen() {
  try {
    const found = localStorage.getItem(KEY);
    return CHOICES.includes(found) ? found : "system";
  } catch {
    return "system";
  }
}

export const theme = signal(chosen());

export function chooseTheme(choice) {
  try {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    // It holds until the page is left.
  }
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  theme.set(choice);
}

export const nextTheme = () => chooseTheme(CHOICES[(CHOICES.indexOf(theme.get()) + 1) % CHOICES.length]);
