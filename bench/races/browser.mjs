/** How long a request may take before it counts as hanging, in ms; an answer here takes under 50. */
const patience = 5_000;

/**
 * One browser: requests that overlap share one cookie jar. A request carries the cookies of the
 * moment it leaves, and every answer's Set-Cookie replaces what the jar held at the moment it
 * arrives. Path, Domain and Secure play no part: all is on one loopback origin, which browsers
 * treat as secure.
 */
export class Browser {
  #origin;
  #jar;

  /** `cookies` are those it starts with, such as a copy of another browser's. */
  constructor(origin, cookies = new Map()) {
    this.#origin = origin;
    this.#jar = new Map(cookies);
  }

  /** A copy of the jar: name to value. */
  get cookies() {
    return new Map(this.#jar);
  }

  /** The status (0 when no answer came in time), the parsed body and the Set-Cookie lines. */
  async get(path) {
    const cookie = [...this.#jar].map(([name, value]) => `${name}=${value}`).join("; ");
    let response;
    let body;
    try {
      response = await fetch(this.#origin + path, {
        headers: cookie === "" ? {} : { cookie },
        redirect: "manual",
        signal: AbortSignal.timeout(patience),
      });
      body = await response.text();
    } catch (error) {
      if (error.name !== "TimeoutError") throw error;
      return { status: 0, body: undefined, setCookies: [] };
    }
    const setCookies = response.headers.getSetCookie();
    for (const line of setCookies) this.#keep(line);
    return {
      status: response.status,
      body: response.status === 200 ? JSON.parse(body) : body,
      setCookies,
    };
  }

  #keep(line) {
    const [pair, ...attributes] = line.split(/;\s*/);
    const name = pair.slice(0, pair.indexOf("="));
    const fields = new Map(attributes.map((attribute) => attribute.toLowerCase().split("=")));
    const maxAge = fields.get("max-age");
    const ended =
      maxAge === undefined ? Date.parse(fields.get("expires")) <= Date.now() : Number(maxAge) <= 0;
    if (ended) this.#jar.delete(name);
    else this.#jar.set(name, pair.slice(name.length + 1));
  }
}
