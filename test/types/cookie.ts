// Compiled, never run: what sessions in cookies cannot do is in the types.
import { type Guarantee, SessionManager } from "../../src/index.ts";
import { CookieStore, type CookieStoreOptions } from "../../src/stores/cookie.ts";
import { IronStore } from "../../src/stores/iron.ts";
import { MemoryStore } from "../../src/stores/memory.ts";

declare const options: CookieStoreOptions;
const store = new CookieStore(options);

export const manager: SessionManager = new SessionManager({ store });
export const migrating: SessionManager = new SessionManager({
  store: new IronStore(store, { cookieName: "app", password: "" }),
});

export const listed: false = store.abilities.iterate;
export const held: readonly Guarantee[] = store.abilities.guarantees;
// @ts-expect-error concurrent responses overwrite each other
export const lost: "G1" | undefined = store.abilities.guarantees.find((one) => one === "G1");
// @ts-expect-error there is no such method
store.iterate("");
// @ts-expect-error a key has an id
new CookieStore({ keys: [new Uint8Array(32)] });
// @ts-expect-error the list of what has ended is on a server
new CookieStore({ keys: [], revocations: store });
new CookieStore({
  keys: [
    { id: "b", key: "" },
    { id: "a", revoked: true },
  ],
  revocations: new MemoryStore(),
});
