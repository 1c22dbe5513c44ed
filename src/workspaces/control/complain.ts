import { messageOf } from "../../core/errors.ts";

/** Says what went wrong where nobody waits for an answer: standard error is the workspace's supervisor.log. */
export function complain(what: string, error: unknown): void {
  process.stderr.write(`pyro-supervisor: ${what}: ${messageOf(error)}\n`);
}
