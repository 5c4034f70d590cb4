// A value that screens can follow. The smallest thing that keeps header, screens and socket in step.
import { useLayoutEffect, useReducer } from "./dom.js";

export function signal(value) {
  const followers = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const follower of [...followers]) follower(value);
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
  };
}

/** Draw again whenever the value of a signal changes, also between being drawn and beginning to follow. */
export function useSignal(source) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const drawn = source.get();
  useLayoutEffect(() => {
    const end = source.follow(redraw);
    if (!Object.is(source.get(), drawn)) redraw();
    return end;
  }, [source]);
  return drawn;
}
