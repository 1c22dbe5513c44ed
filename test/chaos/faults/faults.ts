import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const preloadUrl = new URL("preload.mjs", import.meta.url).href;

export type FaultCode = "ENOSPC" | "EIO" | "EROFS";
export const faultCodes: readonly FaultCode[] = ["ENOSPC", "EIO", "EROFS"];

/** Lets one change of a file fail, in whichever process of pyro it happens. */
export class Faults {
  readonly #dir: string;
  readonly #below: string;

  /** `dir` is for its own files, and changes below `below` count. */
  constructor(dir: string, below: string) {
    this.#dir = dir;
    this.#below = below;
  }

  /** For processes of pyro and those that they start */
  get env(): Record<string, string> {
    return {
      NODE_OPTIONS: `--import=${preloadUrl}`,
      PYRO_TEST_FAULTS_DIR: this.#dir,
      PYRO_TEST_FAULTS_BELOW: this.#below,
    };
  }

  /** Runs `work`; the names of the changes that it makes, in their order. */
  async trace(work: () => Promise<unknown>): Promise<readonly string[]> {
    await this.#plan({});
    await work();
    const text = await readFile(join(this.#dir, "trace"), "utf8");
    await this.#end();
    return text.trimEnd().split("\n");
  }

  /** Runs `work` while the change of this name fails. Whether it came to that. */
  async during<T>(key: string, code: FaultCode, work: () => Promise<T>): Promise<{ outcome: T; isFired: boolean }> {
    await this.#plan({ key, code });
    const outcome = await work();
    const isFired = await readFile(join(this.#dir, "fired")).then(
      () => true,
      () => false,
    );
    await this.#end();
    return { outcome, isFired };
  }

  async #plan(plan: { key?: string; code?: FaultCode }): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    await writeFile(join(this.#dir, "plan.json"), JSON.stringify({ ...plan, id: randomUUID() }));
  }

  async #end(): Promise<void> {
    await rm(this.#dir, { recursive: true });
  }
}
