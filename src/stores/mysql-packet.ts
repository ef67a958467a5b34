/** Sessions larger than what the server takes in one packet. */
import { SessionError } from "../errors.ts";
import type { Query } from "./mysql-client.ts";
import type { Value } from "./sql.ts";
import { property } from "./sql-store.ts";

const packetTooLarge = 1153;
/** What an EXECUTE needs at least beside the data: its header, the digest, the shortest numbers. */
const packetOverhead = 60;

/**
 * A packet above `max_allowed_packet` makes the server close the connection, and its error is often lost
 * on the way: the driver says "connection reset", and the same session fails again and again. So the
 * limit is asked for when a large write has failed; never with the manager's default `maxSize`.
 */
export async function tooLarge(
  query: Query,
  data: Value | undefined,
  error: unknown,
): Promise<unknown> {
  if (!(data instanceof Uint8Array) || data.length < 100_000) return error;
  const errno = property(error, "errno");
  const sure = errno === packetTooLarge;
  // Any other error of the server's: the connection did not end.
  if (!sure && typeof errno === "number" && errno >= 1000) return error;
  let limit: number | undefined;
  for (let left = 3; left > 0 && limit === undefined; left--) {
    try {
      const { rows } = await query("SELECT @@max_allowed_packet AS bytes", []);
      limit = Number(rows[0]?.["bytes"]);
    } catch {
      // A pool may give out the very connection that the server is closing.
    }
  }
  if (!sure && (limit === undefined || data.length <= limit - packetOverhead)) return error;
  return new SessionError(
    "too-large",
    `A session of ${data.length} bytes does not fit into the server's max_allowed_packet` +
      (limit === undefined ? "" : ` of ${limit}`),
    { cause: error },
  );
}
