/** What HTTP puts in the way of a commit: streams, large bodies, clients that leave, throws at any time. */
import type { Behaviour } from "./behaviours.ts";
import { equal, ok, present } from "./expect.ts";
import { cookieOf, noCookie, type Site } from "./site.ts";

/** A promise, and what resolves it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

/** Until `condition` holds; at most five seconds. */
async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
  ok(false, what);
}

/** The code of an error that `work` throws. */
function thrown(work: () => void): unknown {
  try {
    work();
    return "nothing";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const sse = { "Content-Type": "text/event-stream" };

const streams: readonly Behaviour[] = [
  {
    name: "server-sent events: a change before the head is stored by it, one after it by a commit",
    records: true,
    async run(site) {
      const headHere = gate();
      site.own["/events"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        session.set("text", "before");
        const body = (async function* () {
          yield "data: one\n\n";
          await headHere.opened;
          const seen = [
            thrown(() => session.destroy()),
            thrown(() => session.renewToken()),
            session.get("text"),
          ];
          session.set("text", "after");
          await session.commit();
          yield `data: ${seen.join()}\n\n`;
        })();
        return respond({ headers: sse, body });
      };
      const cookie = await site.begin();
      const response = await site.ask("/events", cookie);
      noCookie(response);
      ok(
        response.headers.get("content-type")?.startsWith("text/event-stream") === true,
        "Content-Type",
      );
      equal(await site.text(cookie), "before", "at the head");
      headHere.open();
      equal(
        await response.text(),
        "data: one\n\ndata: head-sent,head-sent,before\n\n",
        "the events",
      );
      equal(await site.text(cookie), "after", "at the end");
    },
  },
  {
    name: "a stream sees that another request ended its session",
    records: true,
    async run(site) {
      const loggedOut = gate();
      site.own["/events"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        const body = (async function* () {
          yield `${await sessions.isAlive(session.id)} `;
          await loggedOut.opened;
          session.set("text", "too late");
          const code = await session.commit().catch((error: { code?: string }) => error.code);
          yield `${await sessions.isAlive(session.id)} ${String(code)}`;
        })();
        return respond({ headers: sse, body });
      };
      const cookie = await site.begin();
      const response = await site.ask("/events", cookie);
      equal((await site.ask("/logout", cookie)).status, 200, "the logout");
      loggedOut.open();
      equal(await response.text(), "true false gone", "what the stream saw");
      equal(await site.text(cookie), "nothing", "the text");
    },
  },
  {
    name: "a body that breaks off does not take back what was acknowledged",
    async run(site) {
      const headHere = gate();
      site.own["/breaks"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "stored");
        const body = (async function* () {
          yield "x".repeat(1000);
          await headHere.opened;
          throw new Error("planted in the body");
        })();
        return respond({ body });
      };
      const response = await site.ask("/breaks");
      const cookie = cookieOf(response);
      headHere.open();
      // Some frameworks end the body as if it were complete, others close the connection.
      await response.text().catch(() => "");
      equal(await site.text(cookie), "stored", "the text");
    },
  },
  {
    name: "large bodies, both ways, around a change",
    async run(site) {
      const size = 4_000_000;
      const piece = "0123456789".repeat(4000);
      site.own["/large"] = async ({ request, text, respond }, sessions) => {
        const session = await sessions.load(request);
        const before = (await text?.())?.length;
        session.set("text", String(before ?? size));
        const body = (async function* () {
          for (let sent = 0; sent < size; sent += piece.length) yield piece;
        })();
        return respond({ body });
      };
      const upload = { body: "y".repeat(size) };
      const response = await site.ask("/large", undefined, "POST", upload);
      const cookie = cookieOf(response);
      equal((await response.text()).length, size, "the length of the answer");
      equal(await site.text(cookie), String(size), "the length of the upload");
    },
  },
  {
    name: "a partial answer carries the cookie",
    async run(site) {
      site.own["/range"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "ranged");
        const headers = { "Content-Range": "bytes 1-3/5", "Accept-Ranges": "bytes" };
        return respond({ status: 206, headers, body: "ell" });
      };
      const response = await site.ask("/range");
      equal([response.status, await response.text()], [206, "ell"], "status and body");
      equal(response.headers.get("content-range"), "bytes 1-3/5", "Content-Range");
      equal(await site.text(cookieOf(response)), "ranged", "the text");
    },
  },
];

/** A request that its client gives up as soon as `when` resolves. */
async function leave(site: Site, path: string, cookie: string | undefined, when: Promise<void>) {
  const controller = new AbortController();
  const asked = site.ask(path, cookie, "GET", { signal: controller.signal });
  const lost = asked.then(
    (response) => response.text(),
    () => "lost",
  );
  await Promise.race([when, lost]);
  controller.abort();
  await lost.catch(() => "lost");
}

/**
 * 300 ms: servers notice a client that left when the system tells them. In turns, each of which lets the
 * server look, as all are over at once when the machine stalls.
 */
async function noticed(): Promise<void> {
  for (let turns = 0; turns < 6; turns++) {
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
}

const leaving: readonly Behaviour[] = [
  {
    name: "a client that leaves before the head: a new session or token rolls back, a change is stored",
    records: true,
    async run(site) {
      const cookie = await site.begin();
      const { create, update } = site.store.calls;
      const closed = (): number =>
        site.events.filter((event) => event.type === "rolled-back" && event.reason === "closed")
          .length;
      for (const what of ["new", "renewal", "change"]) {
        const [recorded, left, done] = [gate(), gate(), gate()];
        site.own["/slow"] = async ({ request, respond }, sessions) => {
          const session = await sessions.load(request);
          session.set("text", what);
          if (what === "renewal") session.renewToken();
          recorded.open();
          await left.opened;
          await noticed();
          try {
            return await respond({ body: "stored" });
          } finally {
            done.open();
          }
        };
        const before = closed();
        await leave(site, "/slow", what === "new" ? undefined : cookie, recorded.opened);
        left.open();
        await done.opened;
        if (what === "change") {
          await eventually(async () => (await site.text(cookie)) === "change", "stored");
          continue;
        }
        await eventually(() => closed() > before, "an event: rolled-back, closed");
        equal(site.store.calls.create, create, "sessions created for a client that had left");
        equal(site.store.calls.update, update, "tokens renewed for a client that had left");
      }
    },
  },
  {
    name: "a client that leaves during the commit does not stop it",
    records: true,
    async run(site) {
      const cookie = await site.begin();
      const [committing, go] = [gate(), gate()];
      site.store.after("update", async () => {
        committing.open();
        await go.opened;
      });
      site.own["/change"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "changed");
        return respond({ body: "stored" });
      };
      await leave(site, "/change", cookie, committing.opened);
      await noticed();
      go.open();
      equal(await site.text(cookie), "changed", "the text");
      equal((await site.ask("/put", cookie)).status, 200, "the next request");
    },
  },
  {
    name: "a client that leaves during the body: the handler may still commit",
    records: true,
    async run(site) {
      const cookie = await site.begin();
      const [started, left, committed] = [gate(), gate(), gate()];
      site.own["/events"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        const background = async (): Promise<void> => {
          await left.opened;
          session.set("text", "after");
          await session.commit();
          committed.open();
        };
        void background();
        const body = (async function* () {
          started.open();
          yield "data: one\n\n";
          await committed.opened;
          yield "data: two\n\n";
        })();
        return respond({ headers: sse, body });
      };
      await leave(site, "/events", cookie, started.opened);
      await noticed();
      left.open();
      await committed.opened;
      equal(await site.text(cookie), "after", "the text");
    },
  },
];

const throwing: readonly Behaviour[] = [
  {
    name: "a throw at any stage: stored exactly when the status is below 500",
    records: true,
    async run(site) {
      const stages = ["load", "change", "respond", "status 404"] as const;
      for (const stage of stages) {
        site.own["/throws"] = async ({ request, respond }, sessions) => {
          const session = await sessions.load(request);
          if (stage === "load") throw new Error("planted after the load");
          session.set("text", stage);
          if (stage === "change") throw new Error("planted after the change");
          if (stage === "respond") {
            await respond({ body: "fine" });
            throw new Error("planted after the answer");
          }
          throw Object.assign(new Error("planted"), { status: 404, statusCode: 404, expose: true });
        };
        const cookie = await site.begin();
        const response = await site.ask("/throws", cookie).catch(() => undefined);
        await response?.text().catch(() => "");
        const stored = (await site.text(cookie)) === stage;
        // A connection that was closed says nothing.
        if (response !== undefined) equal(stored, response.status < 500, `stored after ${stage}`);
        if (stage === "load" || stage === "change") equal(response?.status, 500, stage);
      }
    },
  },
  {
    name: "a throw before the session was asked for changes nothing",
    async run(site) {
      site.own["/throws"] = () => {
        throw new Error("planted at the start");
      };
      const cookie = await site.begin();
      const { ...before } = site.store.calls;
      const response = await site.ask("/throws", cookie);
      equal(response.status, 500, "the status");
      equal({ ...site.store.calls }, before, "the store's calls");
      noCookie(response);
    },
  },
  {
    name: "an error after an explicit commit keeps the cookie, whatever head leaves",
    async run(site) {
      site.own["/throws"] = async ({ request }, sessions) => {
        const session = await sessions.load(request);
        session.set("text", "kept");
        await session.commit();
        throw new Error("planted after the commit");
      };
      const response = await site.ask("/throws");
      equal(response.status, 500, "the status");
      equal(await site.text(cookieOf(response)), "kept", "the text");
    },
  },
];

const many: readonly Behaviour[] = [
  {
    name: "100 parallel requests of one session keep all updates (G1)",
    records: true,
    async run(site) {
      site.own["/visit"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        session.update("visits", (visits) => (visits ?? 0) + 1);
        return respond({ body: "counted" });
      };
      site.own["/visits"] = async ({ request, respond }, sessions) =>
        respond({ body: String((await sessions.load(request)).get("visits")) });
      const cookie = await site.begin();
      const asked = Array.from({ length: 100 }, () => site.ask("/visit", cookie));
      for (const response of await Promise.all(asked)) {
        equal(response.status, 200, "the status");
        noCookie(response);
        await response.text();
      }
      equal(await (await site.ask("/visits", cookie)).text(), "100", "visits");
    },
  },
  {
    name: "mounted twice: one session, one cookie, one Vary",
    records: true,
    managers: (site) => [site.sessions, site.sessions],
    async run(site) {
      const response = await site.ask("/put");
      const cookie = cookieOf(response);
      equal(response.headers.get("vary")?.match(/cookie/gi)?.length, 1, "Vary: Cookie");
      equal(site.store.calls.create, 1, "sessions created");
      equal(await site.text(cookie), "hello", "the text");
      equal((await site.ask("/logout", cookie)).headers.getSetCookie().length, 1, "clearing");
    },
  },
  {
    name: "two managers that use one cookie are refused, and nothing is stored",
    managers: (site) => [site.sessions, site.twin],
    async run(site) {
      site.own["/both"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "first");
        const refused = site.twin.load(request).then(
          () => "loaded",
          (error: { code?: string }) => present(error.code, "a code"),
        );
        return respond({ status: 500, body: await refused });
      };
      const response = await site.ask("/both");
      equal(await response.text(), "duplicate-manager", "the code");
      noCookie(response);
      equal(site.store.calls.create, 0, "sessions created");
    },
  },
];

export const protocol: readonly Behaviour[] = [...streams, ...leaving, ...throwing, ...many];
