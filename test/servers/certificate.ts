// A certificate for 127.0.0.1 that signs itself, made here: no program is needed, and none is kept.
import { createHash, generateKeyPairSync, sign } from "node:crypto";

/** Both as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const day = 86_400_000;

/** Valid since yesterday, for a week. https://www.rfc-editor.org/rfc/rfc5280#section-4.1 */
export function selfSigned(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"));
  const name = sequence(tlv(0x31, sequence(oid("550403"), tlv(0x0c, text("scs-session tests")))));
  const validity = sequence(time(Date.now() - day), time(Date.now() + 7 * day));
  const extensions = sequence(
    // basicConstraints: a CA, so that every client takes it for its own issuer; subjectAltName.
    extension("551d13", sequence(tlv(0x01, Buffer.of(0xff)))),
    extension("551d11", sequence(tlv(0x87, Buffer.of(127, 0, 0, 1)), tlv(0x82, text("localhost")))),
  );
  const serial = createHash("sha256").update(spki).digest().subarray(0, 15);
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))),
    tlv(0x02, Buffer.concat([Buffer.of(1), serial])),
    ecdsaWithSha256,
    name,
    validity,
    name,
    spki,
    tlv(0xa3, extensions),
  );
  const signature = sign("sha256", body, privateKey);
  const whole = sequence(
    body,
    ecdsaWithSha256,
    tlv(0x03, Buffer.concat([Buffer.of(0), signature])),
  );
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

/** Tag, length, value. */
function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), value]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"));
}

function text(value: string): Buffer {
  return Buffer.from(value, "utf8");
}

/** UTCTime, which ends with 2049. */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replaceAll(/[-:T]|\..*/g, "");
  return tlv(0x17, text(`${digits.slice(2)}Z`));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tlv(0x04, value));
}
