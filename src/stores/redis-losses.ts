/**
 * ioredis and iovalkey send a command again when its connection broke before the reply. The first
 * copy may have been carried out. Then the reply to the second, "not done", is about our own change,
 * and must not be taken for a refusal (G6): re-applied, an `update` would count twice (seen with
 * ioredis behind a proxy that cuts replies). So the lost connections of a client are counted.
 */

interface Emitter {
  on(event: string, listener: (value: unknown) => void): unknown;
}

interface Losses {
  count: number;
}

// One listener per client, however many stores it has.
const known = new WeakMap<object, Losses>();

/** Counts up before a client that lost a connection can send anything again. */
export function lossesOf(client: object): Readonly<Losses> {
  let losses = known.get(client);
  if (losses !== undefined) return losses;
  losses = { count: 0 };
  known.set(client, losses);
  const counted = losses;
  const lost = (): void => void counted.count++;
  const emitter = client as Emitter;
  emitter.on("close", lost);
  // node-redis's Sentinel client sends again as well, and announces a new primary first.
  emitter.on("topology-change", lost);
  // The connections of a Cluster
  const watch = (node: unknown): void => void (node as Emitter).on("close", lost);
  emitter.on("+node", watch);
  const { nodes } = client as { nodes?(): readonly unknown[] };
  if (typeof nodes === "function") for (const node of nodes.call(client)) watch(node);
  return losses;
}
