// The examples of docs/adapters whose frameworks are not installed with this repository.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { browser } from "../docs/browser.ts";
import { tested } from "../support/tested.ts";
import { example, serving } from "./example.ts";
import { formOf, visit, type Ways } from "./visitor.ts";

const full = process.env["SCS_FULL"] === "1";

/** Server components show, server actions change: posted as a browser without scripts does. */
const next: Ways = {
  // A component has no way to its response's headers; Next lets no cache keep such a page.
  varies: false,
  show: async (visitor) => {
    const page = await (await visitor.get("/")).text();
    return /<p id="state">([^<]*)<\/p>/.exec(page)?.[1] ?? page;
  },
  post: async (visitor, path) => {
    const page = await (await visitor.get("/")).text();
    const response = await visitor.send("/", { method: "POST", body: formOf(page, path.slice(1)) });
    await response.text();
    return response.status;
  },
};

/** One page, whose form says what to do. */
const router: Ways = {
  show: next.show,
  post: async (visitor, path) => {
    const response = await visitor.post("/?index", { intent: path.slice(1) });
    await response.text();
    return response.status;
  },
};

/** A form's post must come from the page's own origin, says the framework. */
const sameOrigin = (to: (path: string) => string): Ways => ({
  show: next.show,
  post: async (visitor, path) => {
    const origin = new URL((await visitor.get("/")).url).origin;
    const response = await visitor.post(
      to(path),
      {},
      {
        origin,
        // As a proxy would: SvelteKit's server takes everything for HTTPS unless told otherwise.
        "x-forwarded-proto": "http",
      },
    );
    await response.text();
    return response.status;
  },
});

const row = {
  area: "adapter",
  what: "the examples of docs/adapters",
  with: "NestJS, Next.js, React Router, SvelteKit, Astro, h3, Elysia",
} as const;
if (!full) {
  tested({ ...row, reason: "only with SCS_FULL=1" });
} else {
  tested({ ...row, note: "installed, started and used like a browser" });
  describe("examples", () => {
    it("h3", async () => {
      const h3 = await example("h3");
      await serving(h3, ["node", "server.ts"], (url) => visit(url));
    });

    it("Elysia on Bun", async () => {
      const elysia = await example("elysia");
      const bun = `node_modules/@oven/bun-${process.platform}-${process.arch}/bin/bun`;
      await serving(elysia, [bun, "server.ts"], (url) => visit(url));
    });

    it("Next.js", async () => {
      const folder = await example("next");
      const env = { NEXT_TELEMETRY_DISABLED: "1" };
      await folder.run("node_modules/next/dist/bin/next", "build");
      const start = ["node", "node_modules/next/dist/bin/next", "start"];
      const use = async (url: string): Promise<void> => {
        await visit(url, next);
        // Route handlers are fetch-style; the proxy reads, in the same process.
        const visitor = browser((request) => fetch(request), url);
        for (const visits of [1, 2]) {
          assert.deepEqual(await (await visitor.post("/api/visits")).json(), { visits });
        }
        assert.deepEqual(await (await visitor.get("/api/visits")).json(), { visits: 2 });
        assert.equal((await visitor.get("/private")).status, 307);
        assert.equal((await visitor.get("/private")).headers.get("location"), "/");
        assert.equal(await next.show(visitor), "nobody 2");
        await next.post(visitor, "/login");
        assert.equal((await visitor.get("/private")).status, 200);
      };
      await serving(folder, start, use, env);
    });

    it("React Router, as middleware and as its SessionStorage", async () => {
      const folder = await example("react-router");
      await folder.run("node_modules/typescript/bin/tsc", "-p", "tsconfig.json");
      await folder.run("node_modules/.bin/react-router", "build");
      const start = ["node", "node_modules/.bin/react-router-serve", "build/server/index.js"];
      await serving(
        folder,
        start,
        async (url) => {
          await visit(url, router);
          const visitor = browser((request) => fetch(request), url);
          for (const visits of ["1", "2", "3"]) {
            assert.equal(await (await visitor.get("/storage")).text(), visits);
            assert.equal(visitor.cookies.size, 1);
          }
        },
        { NODE_ENV: "production" },
      );
    });

    it("SvelteKit", async () => {
      const folder = await example("sveltekit");
      await folder.run("node_modules/.bin/vite", "build");
      const ways = sameOrigin((path) => `/?${path}`);
      const proxied = { PROTOCOL_HEADER: "x-forwarded-proto" };
      await serving(folder, ["node", "build/index.js"], (url) => visit(url, ways), proxied);
    });

    it("Astro", async () => {
      const folder = await example("astro");
      await folder.run("node_modules/.bin/astro", "build");
      const ways = sameOrigin((path) => path);
      await serving(folder, ["node", "build/server/entry.mjs"], (url) => visit(url, ways));
    });

    it("NestJS on Express and on Fastify", async () => {
      const nest = await example("nest");
      await nest.run("node_modules/typescript/bin/tsc", "-p", "tsconfig.json");
      for (const PLATFORM of ["express", "fastify"]) {
        await serving(nest, ["node", "build/app.js"], (url) => visit(url), { PLATFORM });
      }
    });
  });
}
