// Compiled, never run: what must and what must not compile. `npm run types` checks it, and an
// expected error that does not come is an error.
import { SessionManager, type Session } from "../../src/index.ts";
import type { MemoryStore } from "../../src/stores/memory.ts";

type Data = {
  message: string;
  visits: number;
  cart: { sku: string; quantity: number }[];
  seen: Map<string, Date>;
  theme?: "dark" | "light";
};

/** True when both types are the same, readonly and optional markers included. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function holds<_Claim extends true>(): void {}

export function reads(session: Session<Data>): void {
  const message = session.get("message");
  holds<Same<typeof message, string | undefined>>();
  const theme = session.get("theme");
  holds<Same<typeof theme, "dark" | "light" | undefined>>();
  const popped = session.pop("visits");
  holds<Same<typeof popped, number | undefined>>();
  const taken = session.take("message");
  holds<Same<typeof taken, string | undefined>>();

  // @ts-expect-error no such key
  session.get("mesage");
  // @ts-expect-error there may be no value
  const certain: string = session.get("message");
  // @ts-expect-error an array that was read cannot grow
  session.get("cart")?.push({ sku: "a", quantity: 1 });
  const first = session.get("cart")?.[0];
  // @ts-expect-error nor can what is in it change
  if (first !== undefined) first.quantity = 2;
  // @ts-expect-error a map that was read cannot change
  session.get("seen")?.set("now", new Date());
  return void certain;
}

export function changes(session: Session<Data>): void {
  session.set("cart", [{ sku: "a", quantity: 1 }]);
  // What was read can be stored again.
  const cart = session.get("cart");
  if (cart !== undefined) session.set("cart", [...cart, { sku: "b", quantity: 1 }]);
  const visits = session.update("visits", (count) => (count ?? 0) + 1);
  holds<Same<typeof visits, number>>();
  session.deadline = Date.now() + 60_000;
  session.deadline = new Date();
  const deadline = session.deadline;
  holds<Same<typeof deadline, Date>>();

  // @ts-expect-error another type
  session.set("visits", "1");
  // @ts-expect-error not one of the values
  session.set("theme", "blue");
  // @ts-expect-error a value that is missing is deleted, not set
  session.set("theme", undefined);
  // @ts-expect-error the function must return the value
  session.update("visits", () => {});
  // @ts-expect-error and not a promise of it
  session.update("visits", async (count) => (count ?? 0) + 1);
  // @ts-expect-error the id is not for the program to choose
  session.id = "mine";
}

export function options(store: MemoryStore): void {
  new SessionManager<Data>({ store, lifetime: "24h", idleTimeout: undefined });
  new SessionManager<Data>({ store, lifetime: 60_000 });

  // @ts-expect-error a store is needed
  new SessionManager<Data>({});
  // @ts-expect-error no such option
  new SessionManager<Data>({ store, lifetme: "24h" });
  // @ts-expect-error not one of the values
  new SessionManager<Data>({ store, cookie: { sameSite: "loose" } });
  // @ts-expect-error data has keys
  new SessionManager<string>({ store });
}

/** Without a type for the data, keys are any string and values unknown: never `any`. */
export async function untyped(sessions: SessionManager, request: Request): Promise<void> {
  const session = await sessions.load(request);
  session.set("whatever", [1, 2, 3]);
  const value = session.get("whatever");
  holds<Same<typeof value, unknown>>();
}

/** `Session` is an interface: an application's tests can fake it. */
export function greet(session: Pick<Session<Data>, "get">): string {
  return session.get("message") ?? "";
}
export const greeting: string = greet({ get: () => undefined });
