// Who is signed in. The token goes to the daemon once and is not kept; a cookie no script can read stays.
import { Problem, request, sessionKey, signedOut } from "./api.js";
import { siteZone } from "./format.js";
import { signal } from "./signal.js";

/** null: not known yet; otherwise what GET /api/session says, and is_signed_in. */
export const session = signal(null);
export const signInProblem = signal(null);

function take(found) {
  sessionKey.set(found.key || "");
  siteZone.set(found.zone || "UTC");
  session.set({ ...found, is_signed_in: found.means !== "none" });
}

/** The one-time way in: a link whose fragment is a token. It leaves the address at once, and no server ever sees it. */
function tokenOfFragment() {
  const found = /^#token=([\w.~-]+)$/.exec(location.hash);
  if (!found) return "";
  history.replaceState(null, "", location.pathname + location.search);
  return found[1];
}

export async function signIn(token) {
  signInProblem.set(null);
  take((await request("/api/session", { method: "POST", body: { token: token.trim() } })).data);
}

export async function signOut() {
  try {
    await request("/api/session", { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  sessionKey.set("");
  session.set({ is_signed_in: false });
}

/** Ask for the token again before contents are shown; holds for a few minutes. */
export async function confirmSession(token) {
  take((await request("/api/session/confirm", { method: "POST", body: { token: token.trim() } })).data);
}

export async function begin() {
  signedOut.follow(() => session.get()?.is_signed_in && session.set({ is_signed_in: false, was_signed_in: true }));
  const token = tokenOfFragment();
  try {
    if (token) return await signIn(token);
    return take((await request("/api/session")).data);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    signInProblem.set(error.status === 401 && !token ? null : error);
    return session.set({ is_signed_in: false });
  }
}

const ROLES = ["nobody", "viewer", "operator", "admin"];

/** Whether the one signed in has at least this role. Buttons follow allowed_actions; this is for whole screens. */
export const may = (role) => ROLES.indexOf(session.get()?.role) >= ROLES.indexOf(role);
export const can = (capability) => Boolean(session.get()?.capabilities?.includes(capability));
