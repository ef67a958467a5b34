import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { type NextCookie, nextSessions } from "../../src/adapters/next.ts";
import { type Kit, kit } from "./kit.ts";

/** `next/headers` of one browser. */
function browser({ sessions }: Kit) {
  const jar = new Map<string, NextCookie>();
  let readOnly = false;
  const api = nextSessions(sessions, {
    headers: async () => ({
      get: (name) =>
        name === "cookie" ? [...jar].map(([n, { value }]) => `${n}=${value}`).join("; ") : null,
    }),
    cookies: async () => ({
      set(cookie) {
        if (readOnly) throw new Error("Cookies can only be modified in a Server Action");
        if (cookie.maxAge === 0) jar.delete(cookie.name);
        else jar.set(cookie.name, cookie);
      },
    }),
  });
  return { ...api, jar, lock: () => (readOnly = true) };
}

describe("next", () => {
  it("an action stores what it changed, and gives the cookie with all attributes", async () => {
    const { action, load, jar } = browser(kit({ development: false }));
    const visit = action((session, step: number) =>
      session.update("visits", (visits) => (visits ?? 0) + step),
    );
    assert.equal(await visit(2), 2);
    const { value, ...cookie } = jar.get("__Host-Http-session") ?? { value: "" };
    assert.equal(value.length, 64);
    assert.deepEqual(cookie, {
      name: "__Host-Http-session",
      path: "/",
      httpOnly: true,
      secure: true,
      sameSite: "lax",
      maxAge: 86_400,
    });
    jar.get("__Host-Http-session");
    assert.equal(await visit(3), 5);
    assert.equal((await load()).get("visits"), 5);
  });

  it("redirect() and notFound() commit; any other throw rolls back, but for a destroy", async () => {
    const made = kit();
    const { action, load, jar } = browser(made);
    const set = action((session, text: string, error: unknown) => {
      session.set("text", text);
      throw error;
    });
    const next = (digest: string): Error => Object.assign(new Error(digest), { digest });
    const redirect = next("NEXT_REDIRECT;push;/;307;");
    await assert.rejects(set("one", redirect), redirect);
    assert.equal((await load()).get("text"), "one");
    const missing = next("NEXT_HTTP_ERROR_FALLBACK;404");
    await assert.rejects(set("two", missing), missing);
    assert.equal((await load()).get("text"), "two");
    for (const error of [new Error("planted"), next("123456"), undefined]) {
      await assert.rejects(set("three", error));
      assert.equal((await load()).get("text"), "two");
    }
    assert.equal(made.events.filter(({ type }) => type === "rolled-back").length, 3);
    const leave = action((session) => {
      session.destroy();
      throw new Error("planted");
    });
    await assert.rejects(leave());
    assert.deepEqual([jar.size, (await load()).has("text")], [0, false]);
  });

  it("a commit that fails is what the caller gets, with no cookie", async () => {
    const made = kit();
    const { action, jar } = browser(made);
    made.store.always("create", "failed");
    const redirect = Object.assign(new Error(), { digest: "NEXT_REDIRECT;push;/;307;" });
    for (const end of ["returns", "redirects"]) {
      const set = action((session) => {
        session.set("text", "x");
        if (end === "redirects") throw redirect;
      });
      await assert.rejects(set(), { status: 503 });
      assert.equal(jar.size, 0);
    }
  });

  it("what an action committed itself keeps its cookie when it throws later", async () => {
    const { action, load, jar } = browser(kit());
    const set = action(async (session) => {
      session.set("text", "kept");
      await session.commit();
      session.set("text", "dropped");
      throw new Error("planted");
    });
    await assert.rejects(set(), /planted/);
    assert.deepEqual([jar.size, (await load()).get("text")], [1, "kept"]);
  });

  it("a component reads; it cannot start, renew or end a session", async () => {
    const made = kit();
    const { action, load, lock } = browser(made);
    const fresh = await load();
    assert.throws(() => fresh.set("text", "x"), { code: "head-sent" });
    await action((session) => session.set("text", "x"))();
    lock();
    const session = await load();
    assert.equal(session.get("text"), "x");
    assert.throws(() => session.destroy(), { code: "head-sent" });
    assert.throws(() => session.renewToken(), { code: "head-sent" });
    session.set("text", "y");
    await session.commit();
    assert.equal((await load()).get("text"), "y");
  });

  it("a change that a component leaves uncommitted is reported", async () => {
    const made = kit();
    const { action, load } = browser(made);
    await action((session) => session.set("text", "x"))();
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const loading = load();
      const session = await loading;
      session.set("text", "lost");
      mock.timers.tick(5000);
      assert.equal(made.events.at(-1)?.type, "uncommitted");
    } finally {
      mock.timers.reset();
    }
  });
});
