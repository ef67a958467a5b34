/**
 * The one application that every peer runs. `open` gives the request's session, in the few verbs
 * that a peer's file maps to the peer's own API; a route that does not call it does not name the
 * session at all.
 */
export const kinds = {
  Date: {
    make: () => new Date("2026-01-02T03:04:05.678Z"),
    same: (value) => value instanceof Date && value.toJSON() === "2026-01-02T03:04:05.678Z",
  },
  Map: {
    make: () => new Map([["a", 1]]),
    same: (value) => value instanceof Map && value.size === 1 && value.get("a") === 1,
  },
  BigInt: {
    make: () => 12_345_678_901_234_567_890n,
    same: (value) => value === 12_345_678_901_234_567_890n,
  },
};

/** Runs one route and gives what to answer as JSON. */
export async function answer(target, gates, open) {
  const { pathname, searchParams } = new URL(target, "http://localhost");
  if (pathname === "/untouched") return "untouched";
  const session = await open();
  const pause = () => gates.pass(searchParams.get("gate"));
  const key = searchParams.get("key");
  switch (pathname) {
    case "/login":
      await session.set("user", "alice");
      return "logged in";
    case "/logout":
      await session.destroy();
      return "logged out";
    case "/renew":
      await session.renew();
      return "renewed";
    case "/set":
      await pause();
      await session.set(key, 1);
      return "set";
    case "/count":
      await session.increment("n", pause);
      return "counted";
    case "/keep":
      await session.set("value", kinds[key].make());
      return "kept";
    case "/kept": {
      const value = session.get("value");
      return { same: kinds[key].same(value), now: describe(value) };
    }
    case "/read":
      return Object.fromEntries(
        ["user", "a", "b", "n", "late"].map((name) => [name, session.get(name)]),
      );
    default:
      throw new Error(`no route ${pathname}`);
  }
}

/** The counter as everybody writes it where the library offers nothing better. */
export function readModifyWrite(session) {
  return async (key, pause) => {
    const before = session.get(key) ?? 0;
    await pause();
    await session.set(key, before + 1);
  };
}

function describe(value) {
  if (value == null) return "nothing";
  if (typeof value !== "object") return `a ${typeof value}`;
  return JSON.stringify(value);
}
