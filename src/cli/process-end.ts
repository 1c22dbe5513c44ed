import { constants } from "node:os";
import { setImmediate, setTimeout } from "node:timers/promises";
import { systemErrorCode } from "../core/errors.ts";

/** Ends an operation on a signal or a closed pipe. */
export interface Stop {
  readonly signal: AbortSignal;
  /** Exit code that a shell expects after a signal; undefined before one */
  readonly exitCode: number | undefined;
  /** Why output was lost, unless its reader has gone */
  readonly outputError: Error | undefined;
  dispose(): void;
}

/** The first signal cancels, and the program cleans up. A second one ends it at once. */
export function stopOnSignals(): Stop {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let outputError: Error | undefined;
  const stop = (code: number) => {
    exitCode ??= code;
    controller.abort();
  };
  const onSignal = (name: NodeJS.Signals) => {
    const code = exitCodeOf(name);
    if (exitCode !== undefined) process.exit(code);
    stop(code);
  };
  // Every write to a closed pipe fails anew, so only signals count as a second request.
  const onOutputError = (error: Error) => {
    if (!meansNoReader(error)) outputError ??= error;
    stop(exitCodeOf("SIGPIPE"));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, onSignal);
  for (const stream of [process.stdout, process.stderr]) stream.on("error", onOutputError);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    get outputError() {
      return outputError;
    },
    // Output can fail until the end, so those listeners stay.
    dispose() {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}

/** Resolves when standard output and error are flushed, or at the limit. */
export async function flush(limitMs: number | undefined): Promise<void> {
  const pending = [process.stdout, process.stderr].filter(
    ({ writableLength, destroyed }) => writableLength > 0 && !destroyed,
  );
  const flushed = Promise.all(
    pending.map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))),
  );
  await (limitMs === undefined ? flushed : Promise.race([flushed, setTimeout(limitMs)]));
  // The failure of a last write arrives in a later turn.
  await setImmediate();
}

/** The reader has closed the pipe, as in any pipeline. */
function meansNoReader(error: Error): boolean {
  const code = systemErrorCode(error);
  return code === "EPIPE" || code === "ECONNRESET";
}

function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
