import { messageOf } from "../../core/errors.ts";

/** Logs a failure that no caller waits for. Standard error is the workspace's supervisor.log. */
export function complain(what: string, error: unknown): void {
  process.stderr.write(`pyro-supervisor: ${what}: ${messageOf(error)}\n`);
}
