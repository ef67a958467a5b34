// Where a server's programs are: a folder named in the environment, the PATH and the usual places,
// and on Debian as root the package, installed when it is missing.
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

export interface Wanted {
  /** The programs needed, the server itself last. */
  readonly programs: readonly string[];
  /** Names a folder that holds them all; nothing else is then tried. */
  readonly folderVariable: string;
  /** Names a running server; only mentioned here, in the error. */
  readonly urlVariable: string;
  /** Debian's packages. */
  readonly packages: readonly string[];
}

const run = promisify(execFile);

/** The programs' paths, in the order of `wanted.programs`; throws one line that says what to do. */
export async function find(wanted: Wanted): Promise<string[]> {
  const named = process.env[wanted.folderVariable];
  const found = search(wanted, named === undefined ? usualFolders() : [named]);
  if (found !== undefined) return found;
  if (named === undefined && isDebianRoot()) {
    try {
      await install(wanted.packages);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${missing(wanted, undefined)} (${why})`, { cause: error });
    }
    const installed = search(wanted, usualFolders());
    if (installed !== undefined) return installed;
  }
  throw new Error(missing(wanted, named));
}

function missing(wanted: Wanted, named: string | undefined): string {
  const { programs, folderVariable, urlVariable, packages } = wanted;
  const place = named === undefined ? "on this machine" : `in ${folderVariable}=${named}`;
  return (
    `no ${programs.join(" and ")} ${place}: install it (Debian: ${packages.join(" ")}), ` +
    `or set ${folderVariable} to its folder, or ${urlVariable} to the URL of a running server`
  );
}

/** All programs from one folder if any has them all: two versions do not mix. */
function search(wanted: Wanted, folders: readonly string[]): string[] | undefined {
  const together = folders.find((folder) =>
    wanted.programs.every((program) => isProgram(join(folder, program))),
  );
  const paths = wanted.programs.map((program) =>
    [together, ...folders]
      .filter((folder) => folder !== undefined)
      .map((folder) => join(folder, program))
      .find(isProgram),
  );
  return paths.every((path) => path !== undefined) ? paths : undefined;
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first of these programs that is on the PATH or in one of the usual places. */
export function findProgram(names: readonly string[]): string | undefined {
  const folders = usualFolders();
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

function usualFolders(): string[] {
  // Debian keeps PostgreSQL's programs off the PATH, one folder per version; the newest first.
  const postgres = globSync("/usr/lib/postgresql/*/bin").sort((a, b) =>
    b.localeCompare(a, "en", { numeric: true }),
  );
  const path = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  return [...path, "/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin", ...postgres];
}

/** Whether `install` can work here. */
export function isDebianRoot(): boolean {
  return process.getuid?.() === 0 && existsSync("/etc/debian_version");
}

// Root's own folder, so that no other account can put something else in the lock's place. `flock`
// lets go when its process ends, so that no lock is left behind by a killed run.
const lock = "/run/scs-session-apt.lock";
const updated = "/run/scs-session-apt.updated";

const script = `
set -e
if [ -z "$(find ${updated} -mmin -60 2>/dev/null)" ]; then
  apt-get update -q -o Acquire::Retries=3 && touch ${updated}
fi
apt-get install -q -y --no-upgrade --no-install-recommends -o DPkg::Lock::Timeout=120 \\
  -o Acquire::Retries=3 "$@"
`;

/** Installs Debian's packages; throws what apt-get said last. */
export async function install(packages: readonly string[]): Promise<void> {
  console.error(`installing ${packages.join(" ")} (once, for the tests)`);
  try {
    await run("flock", [lock, "sh", "-c", script, "sh", ...packages], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const why = stderr?.trim().split("\n").at(-1) ?? String(error);
    throw new Error(`apt-get: ${why}`, { cause: error });
  }
}
