// src/ to dist/: plain tsc, one JavaScript file and one declaration file for each source file.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { root, tool } from "./project.ts";

// What an earlier build left would be published too.
rmSync(join(root, "dist"), { recursive: true, force: true });
process.exitCode = tool("typescript/bin/tsc", "--project", "tsconfig.build.json") ? 0 : 1;
