// What browsers were measured to do with cookies that break a rule: tests compare, docs/guide/browsers.md
// tells.

export type Engine = "chromium" | "firefox";

/** A Set-Cookie line over HTTPS, and which browsers take it. */
export const prefixes: readonly (readonly [line: string, takenBy: readonly Engine[]])[] = [
  ["__Host-Http-a=1; Path=/; Secure; HttpOnly", ["chromium", "firefox"]],
  ["__Http-a=1; Path=/; Secure; HttpOnly", ["chromium", "firefox"]],
  ["__Host-a=1; Path=/; Secure", ["chromium", "firefox"]],
  ["__Secure-a=1; Path=/; Secure", ["chromium", "firefox"]],
  [
    "__Host-Http-p=1; Path=/; Secure; HttpOnly; Partitioned; SameSite=None",
    ["chromium", "firefox"],
  ],
  ["__Host-Http-b=1; Path=/; Secure", []],
  ["__Host-Http-c=1; Path=/; HttpOnly", []],
  ["__Host-Http-d=1; Path=/x; Secure; HttpOnly", []],
  ["__Host-Http-e=1; Path=/; Secure; HttpOnly; Domain=app.example.test", []],
  ["__host-http-f=1; Path=/; Secure", []],
  ["__Http-g=1; Path=/; Secure", []],
  ["__Host-h=1; Path=/; Secure; Domain=example.test", []],
  ["__host-i=1; Path=/", []],
  ["=__Host-Http-j=1; Path=/; Secure; HttpOnly", []],
  ["__Secure-k=1; Path=/", []],
  ["l=1; Path=/; SameSite=None", []],
  ["m=1; Path=/; Partitioned; SameSite=None", []],
];

/** The pairs that this browser sends back after all of the lines were offered. */
export function taken(engine: Engine): string[] {
  return prefixes
    .filter(([, by]) => by.includes(engine))
    .map(([line]) => line.split(";", 1)[0] ?? "")
    .sort();
}

/** Names that a careless parser reads as `name`; any subdomain may set them for all of a domain. */
export function lookAlikes(name: string): readonly string[] {
  return [
    `\u2000${name}`,
    `\uFEFF${name}`,
    `\u00A0${name}`,
    `\u0085${name}`,
    name.replace("_", "%5F"),
    `"${name}"`,
    `"${name}`,
  ];
}

/** What a hostile sibling sets: the look-alikes, a nameless cookie, a pair of quotes around others. */
export function tossed(name: string, token: string): readonly string[] {
  const everywhere = "Domain=example.test; Path=/; Secure; HttpOnly";
  return [
    ...[name, name.toLowerCase(), ...lookAlikes(name)].map((it) => `${it}=${token}`),
    `=${name}=${token}`,
    `lang="a`,
    `zz=${name}=${token}"`,
  ].map((pair) => `${pair}; ${everywhere}`);
}

/** The names in a Cookie header, a character for each byte. */
export function namesIn(header: string): readonly string[] {
  return header.split("; ").map((pair) => pair.slice(0, pair.indexOf("=")));
}

/** A name as it stands in a Cookie header that was read as bytes. */
export function asBytes(name: string): string {
  return Buffer.from(name, "utf8").toString("latin1");
}

/** A long pair, for messages: its name and how many octets name and value have. */
export function brief(pair: string): string {
  return `${pair.slice(0, pair.indexOf("="))}: ${pair.length - 1}`;
}
