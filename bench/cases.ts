// What is measured: the requests, the data in the sessions, and what the right answers are.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Answer } from "./wire.ts";

export interface Item {
  sku: string;
  name: string;
  quantity: number;
  price: number;
}

/** A type alias: the data of our sessions are typed with it. */
export type Data = {
  userId: string;
  name: string;
  roles: string[];
  visits: number;
  cart: Item[];
};

export type Size = "small" | "large";
export type Path = "/untouched" | "/read" | "/read-all" | "/change" | "/change-all" | "/new";

/** Paths that `seed` a session, which later requests then use. */
export type SeedPath = "/seed-small" | "/seed-large";

/** Six digits, so that every answer to `/change` is as long as the floor's. */
export const firstVisit = 100_000;
const items = { small: 0, large: 46 };

/** About 100 bytes of JSON, or about 4 KB. */
export function data(size: Size): Data {
  return {
    userId: "u_8f14e45fceea167a",
    name: "Zoe Miller",
    roles: ["customer"],
    visits: firstVisit,
    cart: Array.from({ length: items[size] }, (_, i) => ({
      sku: `SKU-${1000 + i * 37}`,
      name: `Stoneware mug, ${i} oz, hand made`,
      quantity: i === 0 ? firstVisit : (i % 4) + 1,
      price: 4.95 + i * 3,
    })),
  };
}

/** One kind of request. */
export interface Case {
  readonly name: string;
  readonly path: Path;
  readonly size: Size;
  /** Whether the request carries a session cookie. */
  readonly cookie: boolean;
}

export const cases: readonly Case[] = [
  { name: "no cookie, untouched", path: "/untouched", size: "small", cookie: false },
  { name: "untouched", path: "/untouched", size: "small", cookie: true },
  { name: "read one key, 100 B", path: "/read", size: "small", cookie: true },
  { name: "read one key, 4 KB", path: "/read", size: "large", cookie: true },
  { name: "read every key, 4 KB", path: "/read-all", size: "large", cookie: true },
  { name: "change one key, 100 B", path: "/change", size: "small", cookie: true },
  { name: "change one key, 4 KB", path: "/change", size: "large", cookie: true },
  { name: "change the big key, 4 KB", path: "/change-all", size: "large", cookie: true },
  { name: "new session, 100 B", path: "/new", size: "small", cookie: false },
];

/** What `/read-all` answers: a sum over every item, so that all of it is looked at. */
export function summary(
  session: Readonly<Pick<Data, "userId" | "name">> & {
    readonly roles: readonly string[];
    readonly cart: readonly Readonly<Item>[];
  },
): string {
  let quantity = 0;
  for (const item of session.cart) quantity += item.quantity;
  return `${session.userId} ${session.name} ${session.roles.length} ${quantity}`;
}

const constants: Record<Path, string> = {
  "/untouched": "ok",
  "/read": data("small").userId,
  "/read-all": summary(data("large")),
  "/change": String(firstVisit),
  "/change-all": String(firstVisit),
  "/new": "ok",
};

export type Send = (response: ServerResponse, body: string) => void;
export type Route = (request: IncomingMessage, response: ServerResponse) => unknown;
export type Routes = Record<Path | SeedPath, Route>;

/** Without sessions, answers as long as those of the measured routes: the floor. */
export function floorRoutes(send: Send): Routes {
  const route = (path: Path): Route => {
    const body = constants[path];
    return (_request, response) => send(response, body);
  };
  return {
    "/untouched": route("/untouched"),
    "/read": route("/read"),
    "/read-all": route("/read-all"),
    "/change": route("/change"),
    "/change-all": route("/change-all"),
    "/new": route("/new"),
    "/seed-small": route("/untouched"),
    "/seed-large": route("/untouched"),
  };
}

/** A checker of one connection's answers: a route that breaks must not look fast. */
export function checker(path: Path, kind: "floor" | "measured"): (answer: Answer) => void {
  const counts = kind === "measured" && (path === "/change" || path === "/change-all");
  const setsCookie = kind === "measured" && path === "/new";
  let visits = firstVisit;
  return (answer) => {
    const expected = counts ? String(++visits) : constants[path];
    const right =
      answer.head.startsWith("HTTP/1.1 200 ") &&
      answer.body === expected &&
      cookieOf(answer.head) === setsCookie;
    if (!right) {
      throw new Error(
        `${kind} ${path}: expected ${expected}, got\n${answer.head}\n\n${answer.body}`,
      );
    }
  };
}

function cookieOf(head: string): boolean {
  return /\r\nset-cookie: /i.test(head);
}

/** One server, made for one case. */
export interface App {
  readonly server: Server;
  /** How many calls its store has had. */
  calls(): number;
  /** Deletes every session. */
  clear(): Promise<void>;
}

/** A session library on a framework. */
export interface Library {
  readonly title: string;
  /** What it stands on, without sessions. */
  floor(): Promise<Server>;
  /** With a store that counts its calls, or one that does not. */
  open(counting: boolean): Promise<App>;
}
