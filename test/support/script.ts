/** The arguments with which the runtime at hand runs a module given as text, in a process of its own. */
export function scriptArgs(source: string): readonly string[] {
  if (process.versions["deno"] !== undefined) return ["eval", "--no-check", source];
  return ["--input-type=module", "--eval", source];
}
