// One server process of a history: a node:http server with sessions on one engine.
//
//   node worker.ts '<Source as JSON>'
//
// Every request's body is a `Step`, its answer an `Answer`. The header `x-flaw` names a flaw that the
// engine then has, with a manager of its own.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Session } from "../../src/session.ts";
import { CountingStore, type Operation } from "../support/counting.ts";
import { openEngine, type Source } from "./engines.ts";
import { type Flaw, FlawedStore } from "./flaws.ts";
import type { Answer, Change, Data, Step } from "./history.ts";

type Values = Record<string, string | number>;
type Stored = Session<Values>;

interface Serving {
  readonly counted: CountingStore;
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
}

const source = JSON.parse(process.argv[2] ?? "{}") as Source;
const { store } = await openEngine(source);
await store.setUp?.();
await store.check?.();

const byFlaw = new Map<string, Serving>();

function serving(flaw: string): Serving {
  const known = byFlaw.get(flaw);
  if (known !== undefined) return known;
  const counted = new CountingStore(flaw === "" ? store : new FlawedStore(store, flaw as Flaw));
  const sessions = new SessionManager<Values>({
    store: counted,
    development: true,
    idleTimeout: "10m",
    // Every use is due, so that touches race with all else.
    touchInterval: 1,
    storeTimeout: source.storeTimeout ?? 15_000,
    onEvent: () => {},
    onError: (error, _request, response) => fail(response as ServerResponse, error),
  });
  const listener = sessionHandler(sessions, async (request, response) => {
    const step = JSON.parse(await bodyOf(request)) as Step;
    const session = await sessions.load(request, { touch: step.touch !== false });
    await serve(session, step, response);
  });
  const made = { counted, listener };
  byFlaw.set(flaw, made);
  return made;
}

async function serve(session: Stored, step: Step, response: ServerResponse): Promise<void> {
  const answer = {
    found: !session.isNew,
    data: dataOf(session),
    handed: {} as Record<string, string>,
  };
  if (step.pause !== undefined) await sleep(step.pause);
  if (step.how === "stream") {
    response.write(" ");
    // The head is on its way, or has left.
    await sleep(1);
    try {
      await carryOut(session, step, answer.handed);
      response.end(JSON.stringify({ ...answer, after: dataOf(session) }));
    } catch (error) {
      response.end(JSON.stringify({ ...answer, code: codeOf(error), why: whyOf(error) }));
    }
    return;
  }
  if (step.destroy === true) session.destroy();
  if (step.renew === true) session.renewToken();
  if (step.how === "explicit") {
    await carryOut(session, step, answer.handed);
    response.end(JSON.stringify({ ...answer, after: dataOf(session) }));
    return;
  }
  change(session, step.changes, answer.handed);
  if (step.how === "fail") response.statusCode = 500;
  response.end(JSON.stringify(answer satisfies Answer));
}

async function carryOut(
  session: Stored,
  step: Step,
  handed: Record<string, string>,
): Promise<void> {
  change(session, step.changes, handed);
  await session.commit();
}

function change(session: Stored, changes: readonly Change[], handed: Record<string, string>): void {
  for (const each of changes) {
    if (each.do === "set") session.set(each.key, each.value);
    else if (each.do === "add") session.update("count", (count) => Number(count ?? 0) + 1);
    else if (each.do === "clear") session.clear();
    else if (each.do === "delete") session.delete(each.key);
    else if (each.do === "pair") {
      session.set("left", each.value);
      session.set("right", each.value);
    } else {
      const value = each.do === "pop" ? session.pop(each.key) : session.take(each.key);
      if (value !== undefined) handed[each.key] = String(value);
    }
  }
}

function dataOf(session: Stored): Data {
  return Object.fromEntries(session.keys().map((key) => [key, session.get(key) ?? ""]));
}

function codeOf(error: unknown): string {
  return error instanceof SessionError ? error.code : String(error);
}

/** The error and its causes, in one line. */
function whyOf(error: unknown): string {
  const causes: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) causes.push(at.message);
  return causes.join(" <- ");
}

function fail(response: ServerResponse, error: unknown): void {
  response.statusCode = error instanceof SessionError ? error.status : 500;
  response.end(JSON.stringify({ code: codeOf(error), why: whyOf(error) }));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += String(chunk);
  return body;
}

/** How often the engine was asked what, since the last time this was asked. */
function counts(): Partial<Record<Operation, number>> {
  const counted: Partial<Record<Operation, number>> = {};
  for (const call of serving("").counted.taken()) counted[call] = (counted[call] ?? 0) + 1;
  return counted;
}

const server = createServer((request, response) => {
  if (request.url === "/counts") response.end(JSON.stringify(counts()));
  else serving(String(request.headers["x-flaw"] ?? "")).listener(request, response);
});
// The driver keeps its connections, and a close that crosses a request would be an error.
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : undefined });
});
process.on("disconnect", () => process.exit(0));
