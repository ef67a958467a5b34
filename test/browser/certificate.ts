// A certificate that we sign ourselves, for HTTPS between a test and its browser. Written out by
// hand (RFC 5280 section 4.1, in DER), so that it needs neither a package nor a program.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface Certificate {
  /** PEM, for `node:https`. */
  readonly key: string;
  /** PEM, for `node:https`. */
  readonly cert: string;
  /** SHA-256 of the public key in base64: what Chromium is told to trust. */
  readonly spki: string;
}

/** For these DNS names (`*.example.test` too), from yesterday for 30 days, with a P-256 key. */
export function selfSigned(...names: string[]): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const day = 86_400_000;
  // ecdsa-with-SHA256, 1.2.840.10045.4.3.2
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  // An empty issuer is not allowed (section 4.1.2.4): id-at-commonName, 2.5.4.3.
  const name = sequence(
    der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from("tests")))),
  );
  // id-ce-subjectAltName, 2.5.29.17; dNSName is [2] of GeneralName.
  const hosts = sequence(...names.map((host) => der(0x82, Buffer.from(host))));
  const extensions = der(0xa3, sequence(sequence(oid(0x55, 0x1d, 0x11), der(0x04, hosts))));
  const serial = Buffer.concat([Buffer.of(0x01), randomBytes(15)]); // positive
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, serial),
    algorithm,
    name,
    sequence(time(Date.now() - day), time(Date.now() + 30 * day)),
    name,
    spki,
    extensions,
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, algorithm, der(0x03, Buffer.of(0), signature));
  const lines = certificate.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    spki: createHash("sha256").update(spki).digest("base64"),
  };
}

/** Tag, length, contents. */
function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const value = Buffer.concat(contents);
  const { length } = value;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), value]);
}

function sequence(...contents: Uint8Array[]): Buffer {
  return der(0x30, ...contents);
}

function oid(...bytes: number[]): Buffer {
  return der(0x06, Buffer.of(...bytes));
}

/** GeneralizedTime or, as section 4.1.2.5 wants until 2049, UTCTime. */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, "");
  return digits < "2050" ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}
