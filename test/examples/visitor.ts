// A visitor of the examples, which are all the same little site: GET / shows, POST /visit counts,
// /login renews, /logout ends, /fail throws after a change.
import assert from "node:assert/strict";
import { browser, type Browser } from "../docs/browser.ts";

/** How the site is used, where it is not by plain posts. */
export interface Ways {
  show(visitor: Browser): Promise<string>;
  /** False where the framework lets no session touch the page's headers. */
  readonly varies?: false;
  /** Posts, and gives the status. */
  post(visitor: Browser, path: string): Promise<number>;
}

const plain: Ways = {
  show: async (visitor) => (await visitor.get("/")).text(),
  post: async (visitor, path) => {
    const response = await visitor.post(path);
    await response.text();
    return response.status;
  },
};

const name = "__Host-Http-session";

/** Goes through a session's whole life, over a real socket. */
export async function visit(url: string, ways: Ways = plain): Promise<void> {
  const visitor = browser((request) => fetch(request), url);
  const ok = async (path: string, who = visitor): Promise<void> =>
    assert.ok((await ways.post(who, path)) < 400, `${path} succeeds`);

  const first = await visitor.get("/");
  assert.equal(first.headers.getSetCookie().length, 0, "a look sets no cookie");
  if (ways.varies !== false) {
    assert.match(first.headers.get("vary") ?? "", /\bCookie\b/i, "Vary: Cookie");
  }
  await first.text();
  assert.equal(await ways.show(visitor), "nobody 0");

  await ok("/visit");
  const before = visitor.cookies.get(name);
  assert.equal(before?.length, 64, "a token");
  await ok("/visit");
  assert.equal(visitor.cookies.get(name), before, "a change keeps the token");
  assert.equal(await ways.show(visitor), "nobody 2");
  const personal = await visitor.get("/");
  assert.match(personal.headers.get("cache-control") ?? "", /private|no-store/, "not shared");
  await personal.text();

  await Promise.all(Array.from({ length: 20 }, () => ok("/visit")));
  assert.equal(await ways.show(visitor), "nobody 22", "no update is lost");

  await ok("/login");
  assert.notEqual(visitor.cookies.get(name), before, "login renews the token");
  assert.equal(await ways.show(visitor), "ada 22");
  const stranger = browser((request) => fetch(request), url);
  stranger.cookies.set(name, before ?? "");
  assert.equal(await ways.show(stranger), "nobody 0", "the old token is dead");

  assert.equal(await ways.post(visitor, "/fail"), 500, "a throw");
  assert.equal(await ways.show(visitor), "ada 22", "a throw rolls back");

  const last = visitor.cookies.get(name) ?? "";
  await ok("/logout");
  assert.equal(visitor.cookies.get(name), undefined, "logout clears the cookie");
  stranger.cookies.set(name, last);
  assert.equal(await ways.show(stranger), "nobody 0", "and ends the session");
}

/** What a browser without scripts sends for the form with this id: its hidden fields. */
export function formOf(page: string, id: string): FormData {
  const form = new RegExp(`<form id="${id}"[^>]*>(.*?)</form>`, "s").exec(page)?.[1];
  assert.ok(form !== undefined, `a form ${id} in ${page}`);
  const data = new FormData();
  for (const [input] of form.matchAll(/<input [^>]*>/g)) {
    const attribute = (name: string): string =>
      new RegExp(`${name}="([^"]*)"`).exec(input)?.[1] ?? "";
    data.set(attribute("name").replaceAll("&quot;", '"'), attribute("value"));
  }
  return data;
}
