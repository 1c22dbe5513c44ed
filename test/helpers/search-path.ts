import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { findProgram } from "../../src/host/process.ts";

/** A PATH with only the named programs of this host in it. */
export class SearchPath implements AsyncDisposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async with(...programs: readonly string[]): Promise<SearchPath> {
    const path = new SearchPath(await mkdtemp(join(tmpdir(), "pyro-path-")));
    for (const program of programs) {
      const found = await findProgram(program, `${process.env["PATH"]}:/usr/sbin:/sbin`);
      if (found === undefined) throw new Error(`'${program}' is not installed`);
      await symlink(found, join(path.dir, basename(program)));
    }
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true });
  }
}
