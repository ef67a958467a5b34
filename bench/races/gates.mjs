/**
 * Puts overlapping requests in one fixed order, without timers: a handler that arrives at a gate
 * waits there until the client opens it. So "a slow request" is one that loaded its session before,
 * and saves it after, whatever else the client did meanwhile, on a busy machine too.
 */
export class Gates {
  #gates = new Map();

  /** In the handler: says that it is here, and waits. */
  pass(name) {
    const gate = this.#gate(name);
    gate.waiting += 1;
    for (const seen of gate.watchers) seen();
    return gate.opened.promise;
  }

  /** In the client: resolves when `count` handlers wait at the gate. */
  arrived(name, count = 1) {
    const gate = this.#gate(name);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`only ${gate.waiting} of ${count} requests came to gate ${name}`)),
        20_000,
      );
      const look = () => {
        if (gate.waiting < count) return;
        clearTimeout(timer);
        resolve();
      };
      gate.watchers.push(look);
      look();
    });
  }

  open(name) {
    this.#gate(name).opened.resolve();
  }

  #gate(name) {
    let gate = this.#gates.get(name);
    if (gate === undefined) {
      gate = { waiting: 0, watchers: [], opened: Promise.withResolvers() };
      this.#gates.set(name, gate);
    }
    return gate;
  }
}
