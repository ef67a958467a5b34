/**
 * What is measured: each scenario is a row of the table. `run(world)` drives one peer and gives the
 * text of its cell; with `rounds`, it runs that often on new servers and every text that came up is
 * shown. Peers without a store skip what needs one, as the cell says.
 */
import { kinds } from "./app.mjs";
import { Browser } from "./browser.mjs";

const increments = 20;
const names = Object.keys(kinds);

export const scenarios = [
  {
    title: "Two overlapping requests set the keys a and b",
    rounds: 5,
    expected: "both kept",
    async run({ origin, gates }) {
      const browser = await loggedIn(origin);
      const a = browser.get("/set?key=a&gate=a");
      const b = browser.get("/set?key=b&gate=b");
      await Promise.all([gates.arrived("a"), gates.arrived("b")]);
      gates.open("a");
      await a;
      gates.open("b");
      await b;
      const { body } = await browser.get("/read");
      const lost = ["a", "b"].filter((key) => body[key] !== 1);
      return lost.length === 0 ? "both kept" : `${lost.join(" and ")} lost`;
    },
  },
  {
    title: `${increments} overlapping requests add 1 to a counter`,
    rounds: 5,
    expected: `${increments}`,
    async run({ origin, gates }) {
      const browser = await loggedIn(origin);
      const all = Array.from({ length: increments }, () => browser.get("/count?gate=count"));
      await gates.arrived("count", increments);
      gates.open("count");
      const answers = await Promise.all(all);
      const refused = answers.filter((it) => it.status !== 200).length;
      const { body } = await browser.get("/read");
      return `${body.n ?? 0}${refused === 0 ? "" : ` (${refused} requests failed)`}`;
    },
  },
  {
    title: "Log out while a slow request is about to save: the old cookie afterwards",
    rounds: 5,
    expected: "dead; the slow request got 409",
    run: (world) => ending(world, "/logout"),
  },
  {
    title: "Renew the token while a slow request is about to save: the old token afterwards",
    rounds: 5,
    expected: "dead; the slow request got 409",
    async run(world) {
      if (world.peer.stateless) return "no token to renew";
      return ending(world, "/renew");
    },
  },
  {
    title: "The store fails while a login is saved: the client gets",
    expected: "503, no cookie",
    async run({ origin, watch, peer }) {
      if (peer.stateless) return "no store";
      watch.failing = true;
      const { status, setCookies } = await new Browser(origin).get("/login");
      watch.failing = false;
      return `${status === 0 ? "no answer" : status}, ${setCookies.length === 0 ? "no cookie" : "Set-Cookie"}`;
    },
  },
  {
    title: "Store calls of a logged-in request whose handler names no session",
    expected: "0",
    async run({ origin, watch, peer }) {
      if (peer.stateless) return "no store";
      const browser = await loggedIn(origin);
      watch.calls.length = 0;
      await browser.get("/untouched");
      // A library may go on after its answer; 250 ms is long for a store in memory.
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { calls } = watch;
      return calls.length === 0 ? "0" : `${calls.length} (${calls.join(", ")})`;
    },
  },
  {
    title: "Does a dump of the store log in?",
    expected: "no; the store holds no token",
    async run({ origin, watch, peer }) {
      if (peer.stateless) return "no store";
      const { cookies } = await loggedIn(origin);
      const id = peer.idOf(cookies);
      const strings = watch.strings();
      if (strings.length === 0) throw new Error("the store was given nothing");
      const hex = Buffer.from(id, "base64url").toString("hex");
      const found = strings.some((text) => text.includes(id) || text.includes(hex));
      const name = [...cookies].find(([, value]) => decodeURIComponent(value).includes(id))[0];
      for (const value of forgeries(strings)) {
        const { body } = await new Browser(origin, new Map([[name, value]])).get("/read");
        if (body?.user === "alice") return "yes; the id is the cookie";
      }
      return found
        ? "id in clear; only the cookie's signature is missing"
        : "no; the store holds no token";
    },
  },
  {
    title: `${names.join(", ")} in the session`,
    expected: "all come back as they were",
    async run({ origin }) {
      const cells = [];
      for (const name of names) {
        const browser = new Browser(origin);
        const { status } = await browser.get(`/keep?key=${name}`);
        if (status !== 200) {
          cells.push(`${name}: ${status === 0 ? "the request hangs" : `answers ${status}`}`);
          continue;
        }
        const { body } = await browser.get(`/kept?key=${name}`);
        if (body?.same !== true) cells.push(`${name}: ${body?.now ?? "unreadable"}`);
      }
      return cells.length === 0 ? "all come back as they were" : cells.join("; ");
    },
  },
];

async function loggedIn(origin) {
  const browser = new Browser(origin);
  const { status } = await browser.get("/login");
  if (status !== 200 || browser.cookies.size === 0) throw new Error("the login failed");
  return browser;
}

/** A slow request has loaded the session, `path` ends its token, then the slow request saves. */
async function ending({ origin, gates }, path) {
  const control = await loggedIn(origin);
  const before = control.cookies;
  await mustSucceed(control, path);
  const deadAnyway = !(await isAlice(origin, before));

  const browser = await loggedIn(origin);
  const old = browser.cookies;
  const slow = browser.get("/set?key=late&gate=slow");
  await gates.arrived("slow");
  await mustSucceed(browser, path);
  gates.open("slow");
  const { status } = await slow;
  const alive = await isAlice(origin, old);
  const inside = await isAlice(origin, browser.cookies);
  if (path === "/renew" && !inside) return "the browser is logged out";
  if (alive && !deadAnyway) {
    const again = inside ? "; the slow answer's cookie logs the browser in again" : "";
    return `alive even without it${again}`;
  }
  return `${alive ? "alive" : "dead"}; the slow request got ${status}`;
}

async function mustSucceed(browser, path) {
  const { status } = await browser.get(path);
  if (status !== 200) throw new Error(`${path} answered ${status}`);
}

async function isAlice(origin, cookies) {
  const { body } = await new Browser(origin, cookies).get("/read");
  return body?.user === "alice";
}

/** Cookies that somebody can make who has nothing but the dump: its strings, and pairs of them. */
function forgeries(strings) {
  const parts = strings.flatMap((text) => [text, ...text.split(":")]);
  const usable = [...new Set(parts)].filter((text) => /^[\w.-]{16,200}$/.test(text));
  return [...usable, ...usable.flatMap((first) => usable.map((second) => first + second))];
}
