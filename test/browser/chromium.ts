// A headless Chromium that the tests find, or install, and drive through playwright-core.
import { chromium, type Browser, type BrowserContext, type LaunchOptions } from "playwright-core";
import { findProgram, install, isDebianRoot, isProgram } from "../servers/find.ts";

/** Names a Chromium or Chrome to use; nothing else is then tried. */
const variable = "SCS_CHROMIUM";

/** For every wait in a browser test: the machine may be busy with other tests. */
export const patience = 30_000;

/**
 * The program: the one that SCS_CHROMIUM names, else one on the PATH, else Debian's package
 * `chromium`, installed when this is Debian and we are root.
 *
 * @throws {Error} One line that says what to do.
 */
export async function findChromium(): Promise<string> {
  const named = process.env[variable];
  if (named !== undefined && named !== "") {
    if (isProgram(named)) return named;
    throw new Error(`${variable}=${named} is no program that can be run`);
  }
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const found = findProgram(names);
  if (found !== undefined) return found;
  let why = "";
  if (isDebianRoot()) {
    try {
      await install(["chromium"]);
    } catch (error) {
      why = ` (${error instanceof Error ? error.message : String(error)})`;
    }
    const installed = findProgram(names);
    if (installed !== undefined) return installed;
  }
  throw new Error(
    `no Chromium on this machine: install it (Debian: chromium), or set ${variable} to its path${why}`,
  );
}

export interface Launch {
  /** `spki` of the certificates to trust: see certificate.ts. */
  readonly trust?: readonly string[] | undefined;
  /** More switches. */
  readonly args?: readonly string[] | undefined;
}

/**
 * A running browser with an empty profile of its own; `newContext()` gives a cookie jar.
 * `close()` ends it; it also ends when the test process does.
 */
export async function launchChromium(launch: Launch = {}): Promise<Browser> {
  return chromium.launch(await options(launch));
}

/** A running browser on the profile in this folder, as a person's browser is: it outlives `close()`. */
export async function openProfile(folder: string, launch: Launch = {}): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, await options(launch));
}

async function options({ trust = [], args = [] }: Launch): Promise<LaunchOptions> {
  return {
    executablePath: await findChromium(),
    headless: true,
    timeout: 2 * patience,
    // As people have it: Back shows the very page of before, where the page allows that.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      // Every name ending in .test is this machine, and no other machine is ever asked.
      "--no-proxy-server",
      "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
      ...(trust.length === 0 ? [] : [`--ignore-certificate-errors-spki-list=${trust.join(",")}`]),
      ...args,
    ],
  };
}
