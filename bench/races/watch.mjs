/** Counts the calls of a store, keeps what it was given, and makes its writes fail on demand. */
export class Watch {
  calls = [];
  failing = false;
  #given = [];

  /** Watches `store` from now on; of its methods, `writes` are those that can fail. */
  over(store, reads, writes) {
    for (const name of [...reads, ...writes]) {
      const original = store[name];
      if (typeof original !== "function") throw new Error(`the store has no method ${name}`);
      store[name] = (...args) => {
        this.calls.push(name);
        if (writes.includes(name)) {
          this.#given.push(...args.filter((arg) => typeof arg !== "function"));
          if (this.failing) return fail(args.at(-1));
        }
        return original.apply(store, args);
      };
    }
    return store;
  }

  /** Every string that the store was given as a key or within a value; bytes in three spellings. */
  strings() {
    const found = new Set();
    const visit = (value) => {
      if (typeof value === "string") {
        found.add(value);
      } else if (value instanceof Uint8Array) {
        for (const spelling of ["base64url", "hex", "latin1"]) {
          found.add(Buffer.from(value).toString(spelling));
        }
      } else if (typeof value === "object" && value !== null) {
        // What a store would keep of a session object, not its links to the request.
        if (typeof value.toJSON === "function") visit(value.toJSON());
        else for (const entry of Object.entries(value)) entry.forEach(visit);
      }
    };
    for (const value of this.#given) visit(value);
    return [...found];
  }
}

function fail(callback) {
  const error = new Error("the disk is full");
  if (typeof callback !== "function") return Promise.reject(error);
  setImmediate(() => callback(error));
  return undefined;
}
