import { Readable } from "node:stream";
import { encodeStdin } from "../../guest/exec.ts";
import type { Machine } from "../machine.ts";

const scriptTimeoutMs = 60_000;
const maxSaidChars = 1_000;

/** A program of the host's own in a guest: text for its shell, which is in every environment. */
export interface GuestScript {
  readonly script: string;
  /** `$1` and so on */
  readonly arguments?: readonly string[];
  /** Its standard input */
  readonly input?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs a script to its end. Resolves with what it said if it failed, else with undefined. */
export async function runScript(
  machine: Pick<Machine, "exec">,
  { script, arguments: words = [], input, signal }: GuestScript,
): Promise<string | undefined> {
  let said = "";
  const keep = (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(0, maxSaidChars);
  };
  const argv = ["/bin/sh", "-c", script, "sh", ...words];
  const { exitCode } = await machine.exec(
    { argv, cwd: "/", timeoutMs: scriptTimeoutMs, stdin: input !== undefined },
    { input: input && encodeStdin(Readable.from([input])), onStdout: keep, onStderr: keep, signal },
  );
  return exitCode === 0 ? undefined : said.trim();
}
