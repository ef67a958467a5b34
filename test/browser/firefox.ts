// A headless Firefox (Debian's package firefox-esr), driven over WebDriver BiDi: a WebSocket and
// JSON (https://w3c.github.io/webdriver-bidi/), so that no package is needed for the few commands.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, install, isDebianRoot, isProgram } from "../servers/find.ts";
import { patience } from "./chromium.ts";

const variable = "SCS_FIREFOX";

/** As `findChromium`: SCS_FIREFOX, else the PATH, else Debian's package; else one line that says so. */
async function findFirefox(): Promise<string> {
  const named = process.env[variable];
  if (named !== undefined && named !== "") {
    if (isProgram(named)) return named;
    throw new Error(`${variable}=${named} is no program that can be run`);
  }
  const names = ["firefox-esr", "firefox"];
  const found = findProgram(names);
  if (found !== undefined) return found;
  if (isDebianRoot()) await install(["firefox-esr"]);
  const installed = findProgram(names);
  if (installed !== undefined) return installed;
  throw new Error(
    `no Firefox here: install it (Debian: firefox-esr), or set ${variable} to its path`,
  );
}

export interface Firefox {
  readonly version: string;
  /** Loads the page in the one tab, and waits until it is complete. */
  goto(url: string): Promise<void>;
  /** The value of an expression in the page: a string, number, boolean, or undefined. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression in the page is true; the page may change meanwhile. */
  until(expression: string): Promise<void>;
  /** Every cookie of the profile. */
  cookies(): Promise<readonly FirefoxCookie[]>;
  close(): Promise<void>;
}

export interface FirefoxCookie {
  readonly name: string;
  readonly value: { readonly value: string };
  readonly domain: string;
  readonly path: string;
  readonly httpOnly: boolean;
  readonly secure: boolean;
  readonly sameSite: string;
}

/** With an empty profile; `hosts` are names of this machine. Certificates are not checked. */
export async function launchFirefox(hosts: readonly string[]): Promise<Firefox> {
  const file = await findFirefox();
  const profile = mkdtempSync(join(tmpdir(), "scs-session-firefox-"));
  const preferences = {
    "network.dns.localDomains": hosts.join(","),
    "network.dns.disableIPv6": true,
    "network.proxy.type": 0,
    // No other machine is asked for anything.
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "app.update.auto": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "browser.safebrowsing.malware.enabled": false,
    "browser.safebrowsing.phishing.enabled": false,
    "services.settings.server": "data:,",
    "browser.shell.checkDefaultBrowser": false,
  };
  const lines = Object.entries(preferences).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const args = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
  const child = spawn(file, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: profile, MOZ_HEADLESS: "1" },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill); // the tests may end early
  const gone = once(child, "close");
  const stop = async (): Promise<void> => {
    kill();
    await gone;
    process.off("exit", kill);
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  };

  try {
    const port = await portOf(child.stderr, gone);
    const connection = await connect(`ws://127.0.0.1:${port}/session`);
    const session = (await connection.send("session.new", {
      capabilities: { alwaysMatch: { acceptInsecureCerts: true } },
    })) as { capabilities: { browserVersion: string } };
    const tree = (await connection.send("browsingContext.getTree", {})) as {
      contexts: { context: string }[];
    };
    const context = tree.contexts[0]?.context ?? "";
    const evaluate = async (expression: string): Promise<unknown> => {
      const answer = (await connection.send("script.evaluate", {
        expression,
        target: { context },
        awaitPromise: true,
      })) as { type: string; result?: { value?: unknown }; exceptionDetails?: { text: string } };
      if (answer.type !== "success") throw new Error(answer.exceptionDetails?.text ?? expression);
      return answer.result?.value;
    };
    return {
      version: session.capabilities.browserVersion,
      goto: async (url) => {
        await connection.send("browsingContext.navigate", { context, url, wait: "complete" });
      },
      evaluate,
      until: async (expression) => {
        const giveUp = performance.now() + patience;
        // A page that is just being left answers with an error.
        while ((await evaluate(expression).catch(() => false)) !== true) {
          if (performance.now() > giveUp) throw new Error(`never true in the page: ${expression}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      cookies: async () => {
        const answer = await connection.send("storage.getCookies", {});
        return (answer as { cookies: FirefoxCookie[] }).cookies;
      },
      close: async () => {
        connection.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Firefox says on its standard error where it listens. */
function portOf(output: NodeJS.ReadableStream, gone: Promise<unknown>): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(
      () => reject(new Error(`Firefox did not start:\n${text}`)),
      2 * patience,
    );
    void gone.then(() => reject(new Error(`Firefox ended while starting:\n${text}`)));
    output.on("data", (part) => {
      text += String(part);
      const port = /WebDriver BiDi listening on ws:\/\/[^\s/]*:(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
  });
}

interface Connection {
  send(method: string, params: object): Promise<unknown>;
  close(): void;
}

async function connect(url: string): Promise<Connection> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as {
      id?: number;
      type: string;
      result?: unknown;
      error?: string;
      message?: string;
    };
    const asked = waiting.get(message.id ?? 0);
    waiting.delete(message.id ?? 0);
    if (message.type === "success") asked?.resolve(message.result);
    else asked?.reject(new Error(`${message.error ?? "error"}: ${message.message ?? ""}`));
  });
  socket.addEventListener("close", () => {
    for (const asked of waiting.values()) asked.reject(new Error("Firefox closed the connection"));
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error(`no connection to ${url}`)), {
      once: true,
    });
  });
  return {
    send: (method, params) =>
      new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject });
        socket.send(JSON.stringify({ id: last, method, params }));
      }),
    close: () => socket.close(),
  };
}
