// The view library, bound once: every screen imports from here.
import { h } from "../vendor/preact.mjs";
import htm from "../vendor/htm.mjs";

export const html = htm.bind(h);
export { Fragment, createContext, render } from "../vendor/preact.mjs";
export {
  useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "../vendor/hooks.mjs";

/** Join the class names that hold: classes("row", isLate && "late"). */
export const classes = (...names) => names.filter(Boolean).join(" ") || undefined;
