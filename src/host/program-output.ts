import { withDeadline } from "../core/deadline.ts";
import { PyroError } from "../core/errors.ts";
import { type Ending, endingOf, killGroup, spawnTied } from "./process.ts";

export interface OutputOptions {
  readonly timeoutMs: number;
  /** Limit for the time without output; default: none of its own */
  readonly silentMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Standard input; default: nothing */
  readonly input?: Buffer | undefined;
  /** Called with standard output as it comes. If it throws, the program is killed */
  readonly onOutput: (piece: Buffer) => void;
}

const keptErrorBytes = 256 * 1024;
/** Limit for the end of a killed program */
const endGraceMs = 5_000;
/** Parts of the limit for silence. A stop of this process counts as one of them, however long */
const silentTicks = 4;

/**
 * Runs a program whose output is data of any length. (`capture` keeps the tail as text.) The
 * program and its process group die with this process, at the deadline, and when the signal aborts,
 * without a chance to clean up.
 */
export async function readOutput(
  command: readonly [string, ...string[]],
  { timeoutMs, silentMs, signal, input, onOutput }: OutputOptions,
): Promise<Ending & { readonly stderr: string }> {
  const child = spawnTied(command, "KILL", { stdio: [input ? "pipe" : "ignore", "pipe", "pipe"] });
  const ended = endingOf(child, command[0]);
  child.stdin?.on("error", () => {
    // It has not read all of it. Its exit tells whether it had to.
  });
  child.stdin?.end(input);
  // Now, because another group can have the number later.
  child.once("exit", () => killGroup(child, "SIGKILL"));
  let ticks = 0;
  let ticking: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_, reject) => {
    if (silentMs === undefined) return;
    ticking = setInterval(() => {
      ticks += 1;
      if (ticks < silentTicks) return;
      reject(new PyroError("timeout", `'${command[0]}' printed nothing for ${silentMs / 1000} s`));
    }, silentMs / silentTicks);
  });
  let isRefused = false;
  const refused = new Promise<never>((_, reject) => {
    child.stdout?.on("data", (piece: Buffer) => {
      ticks = 0;
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
    const ending = await withDeadline(Promise.race([ended, refused, silent]), limits);
    return { ...ending, stderr };
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) killGroup(child, "SIGKILL");
    await withDeadline(ended, { timeoutMs: endGraceMs, waitingFor: `the end of '${command[0]}'` }).catch(() => {
      // Its output no longer matters, and the caller has the reason already.
    });
    child.stdout?.destroy();
    child.stderr?.destroy();
    throw error;
  } finally {
    clearInterval(ticking);
  }
}
