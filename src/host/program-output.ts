import { withDeadline } from "../core/deadline.ts";
import { type Ending, endingOf, killGroup, spawnTied } from "./process.ts";

export interface OutputOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What it reads from standard input, if it wants to; default: nothing */
  readonly input?: Buffer | undefined;
  /** Gets standard output as it comes; the program is killed when this throws */
  readonly onOutput: (piece: Buffer) => void;
}

const keptErrorBytes = 256 * 1024;
/** How long a program that was killed may take to be gone. */
const endGraceMs = 5_000;

/**
 * Runs a program whose output is data, of any bytes and length, where `capture` keeps the tail as text. It dies with this process, at its
 * deadline and when the signal aborts, and its process group with it, without a chance to clean up.
 */
export async function readOutput(
  command: readonly [string, ...string[]],
  { timeoutMs, signal, input, onOutput }: OutputOptions,
): Promise<Ending & { readonly stderr: string }> {
  const child = spawnTied(command, "KILL", { stdio: [input ? "pipe" : "ignore", "pipe", "pipe"] });
  const ended = endingOf(child, command[0]);
  child.stdin?.on("error", () => {
    // It did not read all of it: how it ends tells whether it had to
  });
  child.stdin?.end(input);
  // Now, as later the number of the group may be another's
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
      // What it said no longer matters, and whoever waits has the reason already
    });
    child.stdout?.destroy();
    child.stderr?.destroy();
    throw error;
  }
}
