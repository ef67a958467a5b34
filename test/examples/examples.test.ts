// The examples of docs/adapters whose frameworks are not installed with this repository.
import { describe, it } from "node:test";
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

if (!full) {
  console.log("The examples of heavy frameworks run with SCS_FULL=1 (npm run test:full)");
} else {
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
      await serving(folder, start, (url) => visit(url, next), env);
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
