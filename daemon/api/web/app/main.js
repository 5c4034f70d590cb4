// Where it begins: who is signed in, then the frame and the screen of the address.
import { Fragment, html, render, useEffect, useErrorBoundary, useLayoutEffect } from "./dom.js";
import { Frame, ScreenHead } from "./frame.js";
import "./keyboard.js";
import { Link, place, resolve } from "./router.js";
import { ROUTES } from "./screens.js";
import { begin, session } from "./session.js";
import { SignIn } from "./signin.js";
import { useSignal } from "./signal.js";
import { start, stop } from "./socket.js";
import { forgetAll } from "./store.js";

function App() {
  const who = useSignal(session);
  const isIn = Boolean(who?.is_signed_in);
  useLayoutEffect(() => {
    // What was painted before any of this was read.
    if (who) document.getElementById("boot")?.remove();
  }, [who]);
  useEffect(() => {
    if (!who) return;
    if (isIn) start();
    else {
      stop();
      forgetAll();
    }
  }, [isIn, who?.who]);
  if (!who) return null;
  if (!isIn) return html`<${SignIn} />`;
  return html`<${Frame}><${Screen} /><//>`;
}

function Screen() {
  const { path } = useSignal(place);
  const found = resolve(ROUTES, path);
  if (!found) {
    return html`<${Fragment}><${ScreenHead} title="No such screen" /><p>Nothing is shown under <code>${path}</code>. <${Link} to="/">Go to the overview<//>.</p><//>`;
  }
  // The key makes a new screen of each path, so that nothing of one is taken for the other.
  return html`<${Guarded} key=${path}><${found.route.screen} ...${found.parts} /><//>`;
}

/** A bug in a screen ends that screen alone, and says so. */
function Guarded({ children }) {
  const [error, again] = useErrorBoundary((thrown) => console.error(thrown));
  if (!error) return children;
  return html`<${Fragment}><${ScreenHead} title="This screen failed" />
    <p>A bug of the page, not of the daemon: everything else still works, and <code>carillon</code> shows the same in a terminal.</p>
    <button type="button" class="button" onClick=${again}>Draw it again</button><//>`;
}

render(html`<${App} />`, document.getElementById("app"));
begin();
