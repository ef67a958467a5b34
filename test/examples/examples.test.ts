// The examples of docs/adapters whose frameworks are not installed with this repository.
import { describe, it } from "node:test";
import { example, serving } from "./example.ts";
import { visit } from "./visitor.ts";

const full = process.env["SCS_FULL"] === "1";

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

    it("NestJS on Express and on Fastify", async () => {
      const nest = await example("nest");
      await nest.run("node_modules/typescript/bin/tsc", "-p", "tsconfig.json");
      for (const PLATFORM of ["express", "fastify"]) {
        await serving(nest, ["node", "build/app.js"], (url) => visit(url), { PLATFORM });
      }
    });
  });
}
