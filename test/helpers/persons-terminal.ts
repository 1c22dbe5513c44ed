import { spawn } from "node:child_process";
import { once } from "node:events";
import { pyroPath } from "./cli.ts";

/** `pyro …` at a terminal of its own, which script(1) makes, as a person would run it. */
export class PersonsTerminal implements Disposable {
  readonly #child;
  #screen = "";

  constructor(words: readonly string[], env: Readonly<Record<string, string>>, { cols = 80, rows = 24 } = {}) {
    const quoted = ["stty", "cols", String(cols), "rows", String(rows), ";", "exec"].join(" ");
    const command = [process.execPath, pyroPath, ...words].map((word) => `'${word}'`).join(" ");
    this.#child = spawn("script", ["-qefc", `${quoted} ${command}`, "/dev/null"], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout.on("data", (chunk: Buffer) => {
      this.#screen += chunk.toString();
    });
  }

  /** All that was printed */
  get printed(): string {
    return this.#screen;
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** The exit code. */
  async end(): Promise<number> {
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    return this.#child.exitCode ?? -1;
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}
