import { constants } from "node:os";

/** Ends an operation when a signal or a closed pipe asks for it. */
export interface Stop {
  readonly signal: AbortSignal;
  /** What a shell expects of a program that ended so; undefined while nothing asked */
  readonly exitCode: number | undefined;
  request(cause: NodeJS.Signals): void;
  dispose(): void;
}

/** The first signal cancels and lets everything be cleaned up; a second one ends the program at once. */
export function stopOnSignals(): Stop {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const request = (cause: NodeJS.Signals) => {
    const code = 128 + constants.signals[cause];
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    controller.abort();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, request);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    request,
    dispose() {
      for (const name of signals) process.off(name, request);
    },
  };
}

/** Resolves when all that was written to standard output and error has left the process. */
export async function flush(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength === 0 || stream.destroyed) continue;
    await new Promise<void>((resolve) => stream.write("", () => resolve()));
  }
}
