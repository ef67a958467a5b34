// What every peer does alike: the routes on top of the few calls in which their interfaces differ.
import { data, sizes, summary } from "../cases.ts";

const isPromise = (value) => typeof value?.then === "function";
const after = (value, next) => (isPromise(value) ? value.then(next) : next(value));

/**
 * @param open (context, response) -> the session, or a promise of it
 * @param get (session, key) and set (session, key, value)
 * @param save undefined where the library saves by itself
 * @param renew (context, session, response) -> the session under a new id; by default the same
 */
export function peerRoutes({ open, get, set, save, renew = (_context, session) => session }) {
  const done = (session, body) => (save === undefined ? body : after(save(session), () => body));
  const on = (act) => (context, response) =>
    after(open(context, response), (session) => act(session, context, response));
  const seed = (size) =>
    on((session) => {
      for (const [key, value] of Object.entries(data(size))) set(session, key, value);
      return done(session, "ok");
    });
  return {
    "/untouched": () => "ok",
    "/read": on((session) => get(session, "userId")),
    "/read-all": on((session) =>
      summary({
        userId: get(session, "userId"),
        name: get(session, "name"),
        roles: get(session, "roles"),
        cart: get(session, "cart"),
      }),
    ),
    "/change": on((session) => {
      const visits = get(session, "visits") + 1;
      set(session, "visits", visits);
      return done(session, String(visits));
    }),
    "/change-all": on((session) => {
      const cart = get(session, "cart");
      cart[0].quantity++;
      set(session, "cart", cart);
      return done(session, String(cart[0].quantity));
    }),
    "/new": seed("small"),
    "/login": on((session, context, response) =>
      after(renew(context, session, response), (renewed) => {
        set(renewed, "userId", "u_8f14e45fceea167a");
        return done(renewed, "ok");
      }),
    ),
    ...Object.fromEntries(sizes.map((size) => [`/seed-${size}`, seed(size)])),
  };
}

/** For sessions that are plain objects. */
export const properties = {
  get: (session, key) => session[key],
  set: (session, key, value) => void (session[key] = value),
};

/** Counts the calls of a store's methods, if anybody counts. */
export function counted(store, names, count) {
  if (count === undefined) return store;
  for (const name of names) {
    const method = store[name];
    if (typeof method !== "function") continue;
    store[name] = (...args) => {
      count();
      return method.apply(store, args);
    };
  }
  return store;
}

export const secret = "a secret of thirty-two characters";
export const idleMs = 20 * 60_000;
