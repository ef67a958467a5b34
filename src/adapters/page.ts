/** The built-in error answers, shared by all adapters. */
import { SessionError } from "../errors.ts";

const reasons: Readonly<Record<number, string>> = {
  409: "Conflict",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The reason phrase of one of the statuses that we answer with. */
export function reasonOf(status: number): string {
  return reasons[status] ?? "Error";
}

/** The status for an error: a `SessionError` knows its own; the rest is nobody's business. */
export function statusFor(error: unknown): number {
  return error instanceof SessionError ? error.status : 500;
}
