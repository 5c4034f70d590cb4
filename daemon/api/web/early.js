// Runs before anything is painted, so that the chosen theme does not flash in late.
try {
  const theme = localStorage.getItem("carillon.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off; the system's theme it is.
}
