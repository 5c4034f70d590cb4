// The way in: a token, typed or pasted.
import { Problem } from "./api.js";
import { html, useEffect, useRef, useState } from "./dom.js";
import { session, signIn, signInProblem } from "./session.js";
import { useSignal } from "./signal.js";
import { Refusal, Snippet } from "./states.js";

export function SignIn() {
  const earlier = useSignal(signInProblem);
  const was = useSignal(session)?.was_signed_in;
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef(null);
  useEffect(() => {
    document.title = "Sign in · Carillon";
    field.current.focus();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    if (!token.trim() || isBusy) return;
    setBusy(true);
    try {
      await signIn(token);
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, { detail: String(error) }));
      setBusy(false);
      field.current.select();
    }
  };
  return html`<main class="sign-in" id="main">
    <form onSubmit=${submit} autocomplete="on">
      <img src=${new URL("../icon.svg", import.meta.url).href} width="44" height="44" alt="" />
      <h1 tabindex="-1">Carillon</h1>
      ${was && html`<p role="status">Your session has ended. Sign in again; you will be back on the screen you left.</p>`}
      <label class="field" for="token"><span>Token</span>
        <input id="token" name="token" type="password" ref=${field} value=${token} onInput=${(event) => setToken(event.target.value)} autocomplete="current-password" spellcheck=${false} required aria-describedby="token-more" />
        <span id="token-more" class="hint">It begins with crl_ and is sent to the daemon once; this page does not keep it.</span></label>
      <${Refusal} problem=${problem || earlier} inline=${true} />
      <button type="submit" class="button primary wide" disabled=${isBusy || !token.trim()}>${isBusy ? "Signing in…" : "Sign in"}</button>
      <details><summary>No token yet?</summary>
        <p>Whoever runs the daemon makes one, on the machine it runs on:</p>
        <${Snippet} label="Command that makes a token" text=${"carillon token add YOUR-NAME --role operator"} />
      </details>
    </form>
  </main>`;
}
