import { vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import type { CliOptions, CliResult } from "./cli.ts";

/**
 * Runs a command line in this process, for refusals and help, of which there are many. A process of
 * its own takes 0.4 s. Calls must come one after another.
 */
export async function pyroInProcess(args: readonly string[], { env = {} }: CliOptions = {}): Promise<CliResult> {
  using stdout = new Capture(process.stdout);
  using stderr = new Capture(process.stderr);
  const exitCode = await main(args, { ...process.env, ...env });
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
  readonly #stream: NodeJS.WriteStream;
  readonly #spy: { mockRestore(): void };
  readonly #errorListeners: readonly unknown[];
  readonly #chunks: Buffer[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#errorListeners = stream.listeners("error");
    this.#spy = vi.spyOn(stream, "write").mockImplementation((chunk, ...rest) => {
      this.#chunks.push(Buffer.from(chunk));
      for (const callback of rest) if (typeof callback === "function") callback();
      return true;
    });
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The command line leaves listeners, because its output can fail until its process ends. */
  [Symbol.dispose](): void {
    this.#spy.mockRestore();
    for (const listener of this.#stream.listeners("error")) {
      if (!this.#errorListeners.includes(listener)) this.#stream.off("error", listener as () => void);
    }
  }
}
