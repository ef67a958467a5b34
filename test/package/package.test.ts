// What users install is what was tested: one tarball, used in every way that the README promises.
import { describe } from "node:test";
import { bundling } from "./bundle.ts";
import { loading } from "./load.ts";
import { publishing } from "./publish.ts";
import { Tarball } from "./tarball.ts";
import { typing } from "./consumers.ts";

// Packed before the first test, and once: each pack rebuilds dist/.
const tarball = new Tarball();

describe("the published package", () => {
  publishing(tarball);
  loading(tarball);
  typing(tarball);
  bundling(tarball);
});
