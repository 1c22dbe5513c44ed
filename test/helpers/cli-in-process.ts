import { vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import type { CliOptions, CliResult } from "./cli.ts";

/**
 * Runs a command line in this process, for refusals and help, of which there are many. A process of
 * its own takes 0.4 s. Calls must come one after another. `run` is for a command line with more in
 * it.
 */
export async function pyroInProcess(
  args: readonly string[],
  { env = {} }: CliOptions = {},
  run: (args: readonly string[], env: NodeJS.ProcessEnv) => Promise<number> = main,
): Promise<CliResult> {
  using stdout = new Capture(process.stdout);
  using stderr = new Capture(process.stderr);
  const exitCode = await run(args, { ...process.env, ...env });
  return {
    exitCode,
    signal: null,
    stdout: stdout.bytes(),
    stderr: stderr.bytes().toString("utf8"),
    json: () => JSON.parse(stdout.bytes().toString("utf8")) as Record<string, unknown>,
  };
}

/** What is written to a stream of this process, instead of it. */
class Capture implements Disposable {
  readonly #spy: { mockRestore(): void };
  readonly #leftListeners: Disposable;
  readonly #chunks: Buffer[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#leftListeners = withoutLeftListeners(stream);
    this.#spy = vi.spyOn(stream, "write").mockImplementation((chunk, ...rest) => {
      this.#chunks.push(Buffer.from(chunk));
      for (const callback of rest) if (typeof callback === "function") callback();
      return true;
    });
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  [Symbol.dispose](): void {
    this.#spy.mockRestore();
    this.#leftListeners[Symbol.dispose]();
  }
}

/** The command line leaves listeners, because its output can fail until its process ends. */
export function withoutLeftListeners(stream: NodeJS.WriteStream): Disposable {
  const before: readonly unknown[] = stream.listeners("error");
  return {
    [Symbol.dispose]() {
      for (const listener of stream.listeners("error"))
        if (!before.includes(listener)) stream.off("error", listener as () => void);
    },
  };
}
