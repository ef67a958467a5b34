import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sessionHandler } from "../../src/adapters/node.ts";
import { type SessionEvent, SessionManager } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { createSession } from "../../src/testing/index.ts";
import { serving, soon, wait } from "./harness.ts";

type Data = { before: number; after: number };

for (const changedBefore of [false, true]) {
  describe(`after the head${changedBefore ? ", when the session had changed before it" : ""}`, () => {
    for (const commits of [true, false]) {
      it(
        commits ? "a committed change is stored" : "a change that is left is reported",
        async () => {
          const events: SessionEvent[] = [];
          const sessions = new SessionManager<Data>({
            store: new MemoryStore(),
            onEvent: (event) => events.push(event),
          });
          const left = () => events.filter((event) => event.type === "uncommitted");
          const { cookie, token } = await createSession<Data>(sessions, { before: 0 });
          await serving(
            sessionHandler(sessions, async (req, res) => {
              const session = await sessions.load(req);
              if (changedBefore) session.set("before", 1);
              res.write("head");
              session.set("after", 1);
              if (commits) await session.commit();
              res.end();
            }),
            async ({ url }) => {
              const response = await fetch(url, { headers: { cookie } });
              assert.equal(await response.text(), "head");
              if (commits) await wait(50);
              else await soon(() => left().length > 0);
            },
          );
          assert.equal(left().length, commits ? 0 : 1);
          const session = await sessions.loadToken(token);
          assert.equal(session.get("after"), commits ? 1 : undefined);
          assert.equal(session.get("before"), changedBefore ? 1 : 0);
        },
      );
    }
  });
}
