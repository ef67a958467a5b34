/** Records between plain and stored bytes: framing, and the sealer where one is configured. */
import { SessionError } from "./errors.ts";
import type { Sealer } from "./options.ts";
import { type Damage, decodeRecord, encodeRecord } from "./record.ts";
import type { State } from "./state.ts";

/** A state as stored bytes, with one more commit id. */
export function seal(
  sealer: Sealer | undefined,
  state: State,
  commitId: Uint8Array,
  id: string,
): Uint8Array | Promise<Uint8Array> {
  const bytes = encodeRecord(state, commitId);
  return sealer === undefined ? bytes : enseal(sealer, bytes, id);
}

async function enseal(sealer: Sealer, bytes: Uint8Array, id: string): Promise<Uint8Array> {
  try {
    return await sealer.seal(bytes, id);
  } catch (cause) {
    return fail(cause);
  }
}

/** Stored bytes as a state, or what is damaged. @throws {SessionError} `unknown-format` */
export function open(
  sealer: Sealer | undefined,
  bytes: Uint8Array,
  id: string,
): State | Damage | Promise<State | Damage> {
  if (sealer === undefined) return decodeRecord(bytes);
  return unseal(sealer, bytes, id);
}

async function unseal(sealer: Sealer, bytes: Uint8Array, id: string): Promise<State | Damage> {
  let opened: Uint8Array | undefined;
  try {
    opened = await sealer.open(bytes, id);
  } catch (cause) {
    fail(cause);
  }
  return opened === undefined ? { damaged: "the seal is not authentic" } : decodeRecord(opened);
}

function fail(cause: unknown): never {
  throw new SessionError("unknown-format", "The sealer failed; its key may be unknown here", {
    cause,
  });
}
