// Type checks: everything with Node's types, then the portable part without them.
import { tool } from "./project.ts";

const projects: Readonly<Record<string, string>> = {
  "tsconfig.json": "src, test, examples, bench and scripts",
  "tsconfig.build.json": "the declarations of src",
  "tsconfig.portable.json":
    "the core, the fetch adapter and the memory engine, without Node's types",
};

for (const [project, what] of Object.entries(projects)) {
  const passed = tool("typescript/bin/tsc", "--project", project, "--noEmit");
  console.log(`types: ${what}: ${passed ? "ok" : "failed"}`);
  if (!passed) process.exitCode = 1;
}
