/** Makes a record of a version that does not exist yet. */

/** The record with another format byte and the checksum that belongs to it (see record.ts). */
export function withFormat(data: Uint8Array, format: number): Uint8Array {
  const record = data.slice();
  record[6] = format;
  new DataView(record.buffer).setUint32(2, murmur(record.subarray(6)), true);
  return record;
}

/** MurmurHash3_x86_32 with seed 0, written a second time on purpose: it pins the stored format. */
function murmur(bytes: Uint8Array): number {
  let hash = 0;
  for (let at = 0; at < bytes.length; at += 4) {
    let word = 0;
    for (let i = 0; i < 4; i++) word |= (bytes[at + i] ?? 0) << (8 * i);
    word = Math.imul(word, 0xcc9e2d51);
    hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    if (at + 4 <= bytes.length)
      hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
