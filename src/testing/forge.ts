/** Makes a record of a version that does not exist yet. */

/** The record with another format byte and the checksum that belongs to it (see record.ts). */
export function withFormat(data: Uint8Array, format: number): Uint8Array {
  const record = data.slice();
  record[6] = format;
  new DataView(record.buffer).setUint32(2, checksum(record.subarray(6)), true);
  return record;
}

/** XXH32 with seed 0, written a second time on purpose: it pins the stored format. */
function checksum(bytes: Uint8Array): number {
  const primes = [2654435761, 2246822519, 3266489917, 668265263, 374761393];
  const [p1 = 0, p2 = 0, p3 = 0, p4 = 0, p5 = 0] = primes;
  const turn = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
  const word = (at: number): number =>
    [3, 2, 1, 0].reduce((sum, i) => (sum << 8) | (bytes[at + i] ?? 0), 0);
  const lanes = [p1 + p2, p2, 0, -p1];
  let at = 0;
  for (; at + 16 <= bytes.length; at += 16) {
    for (const [i, lane] of lanes.entries()) {
      lanes[i] = Math.imul(turn((lane + Math.imul(word(at + 4 * i), p2)) | 0, 13), p1);
    }
  }
  let hash = p5;
  if (bytes.length >= 16) {
    hash = lanes.reduce((sum, lane, i) => sum + turn(lane, [1, 7, 12, 18][i] ?? 0), 0);
  }
  hash += bytes.length;
  for (; at + 4 <= bytes.length; at += 4) {
    hash = Math.imul(turn((hash + Math.imul(word(at), p3)) | 0, 17), p4);
  }
  for (; at < bytes.length; at++) {
    hash = Math.imul(turn((hash + Math.imul(bytes[at] ?? 0, p5)) | 0, 11), p1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
