import { withDeadline } from "../core/deadline.ts";
import { type Ending, endingOf, killGroup, spawnTied } from "./process.ts";

export interface OutputOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Standard input; default: nothing */
  readonly input?: Buffer | undefined;
  /** Called with standard output as it comes. If it throws, the program is killed */
  readonly onOutput: (piece: Buffer) => void;
}

const keptErrorBytes = 256 * 1024;
/** Limit for the end of a killed program */
const endGraceMs = 5_000;

/**
 * Runs a program whose output is data of any length. (`capture` keeps the tail as text.) The
 * program and its process group die with this process, at the deadline, and when the signal aborts,
 * without a chance to clean up.
 */
export async function readOutput(
  command: readonly [string, ...string[]],
  { timeoutMs, signal, input, onOutput }: OutputOptions,
): Promise<Ending & { readonly stderr: string }> {
  const child = spawnTied(command, "KILL", { stdio: [input ? "pipe" : "ignore", "pipe", "pipe"] });
  const ended = endingOf(child, command[0]);
  child.stdin?.on("error", () => {
    // It has not read all of it. Its exit tells whether it had to.
  });
  child.stdin?.end(input);
  // Now, because another group can have the number later.
  child.once("exit", () => killGroup(child, "SIGKILL"));
  let isRefused = false;
  const refused = new Promise<never>((_, reject) => {
    child.stdout?.on("data", (piece: Buffer) => {
      if (isRefused) return;
      try {
        onOutput(piece);
      } catch (error) {
        isRefused = true;
        reject(error);
      }
    });
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-keptErrorBytes);
  });
  try {
    const limits = { timeoutMs, signal, waitingFor: `'${command[0]}' to finish` };
    const ending = await withDeadline(Promise.race([ended, refused]), limits);
    return { ...ending, stderr };
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) killGroup(child, "SIGKILL");
    await withDeadline(ended, { timeoutMs: endGraceMs, waitingFor: `the end of '${command[0]}'` }).catch(() => {
      // Its output no longer matters, and the caller has the reason already.
    });
    child.stdout?.destroy();
    child.stderr?.destroy();
    throw error;
  }
}
