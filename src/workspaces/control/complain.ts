import { messageOf } from "../../core/errors.ts";

let withoutSecrets = (text: string) => text;

/** From now on complaints go through this, which takes the workspace's secrets out of them. */
export function redactComplaints(redact: (text: string) => string): void {
  withoutSecrets = redact;
}

/** Logs a failure that no caller waits for. Standard error is the workspace's supervisor.log. */
export function complain(what: string, error: unknown): void {
  process.stderr.write(withoutSecrets(`pyro-supervisor: ${what}: ${messageOf(error)}\n`));
}
