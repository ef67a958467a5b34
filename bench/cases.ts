// What is measured: the requests, the data in the sessions, and what the right answers are.
import { type Answer, linesOf } from "./wire.ts";

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

/** `half` stands for `large` where a session must fit into a cookie. */
export type Size = "small" | "medium" | "half" | "large";
export const sizes: readonly Size[] = ["small", "medium", "half", "large"];

/** Six digits, so that every answer to `/change` is as long as the floor's. */
export const firstVisit = 100_000;
const items = { small: 0, medium: 10, half: 22, large: 46 };

/** About 100 bytes of JSON, 1 KB, 2 KB, or 4 KB. */
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

/** What a request does with its session. */
export type Act = "untouched" | "read" | "read-all" | "change" | "change-all" | "new" | "login";

/** One kind of request. */
export interface Case {
  readonly name: string;
  readonly act: Act;
  readonly size: Size;
  /** Whether the request carries a session cookie. */
  readonly cookie: boolean;
  /** Sessions end when they are not used: the library's own idle timeout is on. */
  readonly idle?: boolean;
  /** In `--quick` runs too. */
  readonly quick?: boolean;
  /** Also for engines behind a network. */
  readonly network?: boolean;
}

const [small, medium, large] = ["small", "medium", "large"] as const;

export const cases: readonly Case[] = [
  { name: "no cookie, untouched", act: "untouched", size: small, cookie: false },
  { name: "untouched", act: "untouched", size: small, cookie: true, quick: true, network: true },
  { name: "read, 100 B", act: "read", size: small, cookie: true, quick: true, network: true },
  { name: "read, 1 KB", act: "read", size: medium, cookie: true },
  { name: "read, 4 KB", act: "read", size: large, cookie: true, quick: true, network: true },
  { name: "read every key, 4 KB", act: "read-all", size: large, cookie: true },
  { name: "change, 100 B", act: "change", size: small, cookie: true, quick: true, network: true },
  { name: "change, 1 KB", act: "change", size: medium, cookie: true },
  { name: "change, 4 KB", act: "change", size: large, cookie: true, quick: true, network: true },
  { name: "change the big key, 4 KB", act: "change-all", size: large, cookie: true },
  { name: "new visitor", act: "new", size: small, cookie: false, quick: true, network: true },
  { name: "log in", act: "login", size: small, cookie: true, network: true },
  { name: "read, idle timeout", act: "read", size: small, cookie: true, idle: true, network: true },
];

/** What `read-all` answers: a sum over every item, so that all of it is looked at. */
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

/** The right answer of each path without a session; the floor gives it. */
export function answerOf(act: Act, size: Size): string {
  switch (act) {
    case "read":
      return data("small").userId;
    case "read-all":
      return summary(data(size));
    case "change":
    case "change-all":
      return String(firstVisit);
    default:
      return "ok";
  }
}

/** A handler on any framework: its request or context object, and the response where there is one. */
export type Route = (context: never, response: never) => string | Promise<string>;
export type Routes = Readonly<Record<string, Route>>;

/** `/read` and its like do not depend on the size: the session does. `/seed-large` makes one. */
export const pathOf = ({ act }: Case): string => `/${act}`;

/** Without sessions, answers as long as those of the measured routes: the floor. */
export function floorRoutes(size: Size): Routes {
  const acts: Act[] = ["untouched", "read", "read-all", "change", "change-all", "new", "login"];
  return Object.fromEntries(
    acts.map((act): [string, Route] => {
      const body = answerOf(act, size);
      return [`/${act}`, () => body];
    }),
  );
}

/** A checker of one connection's answers: a route that breaks must not look fast. */
export function checker(what: Case, kind: "floor" | "measured"): (answer: Answer) => void {
  const { act, size } = what;
  const counts = kind === "measured" && (act === "change" || act === "change-all");
  const mustSet = kind === "measured" && (act === "new" || act === "login");
  const constant = answerOf(act, size);
  let visits = firstVisit;
  return ({ head, body }) => {
    const expected = counts ? String(++visits) : constant;
    if (
      !head.startsWith("HTTP/1.1 200 ") ||
      body !== expected ||
      (mustSet && linesOf(head, "Set-Cookie").length === 0)
    ) {
      throw new Error(`${kind} ${what.name}: expected ${expected}, got\n${head}\n\n${body}`);
    }
  };
}
