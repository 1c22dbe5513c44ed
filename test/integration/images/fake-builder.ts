import { mkdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildPhase, EnvironmentBuilder } from "../../../src/images/builder.ts";

export interface FakeBuilderOptions {
  /** Content of the root image; builds with the same content give the same environment */
  readonly content?: string;
  /** Called when a phase has begun and left a half-written file */
  readonly during?: (phase: BuildPhase, signal: AbortSignal | undefined) => Promise<void> | void;
  /** Folder for what a build keeps outside its staging folder */
  readonly outsideDir: string;
}

/**
 * Makes environments of a few bytes, phase by phase, with a part outside the staging folder as an
 * ordinary user's build has.
 */
export function fakeBuilder({
  content = "root",
  during,
  outsideDir,
}: FakeBuilderOptions): EnvironmentBuilder & { builds: number } {
  const builder = {
    builds: 0,
    roomFor: (_entry: unknown, path: string) => [{ path, bytes: 1000 }],
    build: async ({ entry, stagingDir, onPhase, signal }: Parameters<EnvironmentBuilder["build"]>[0]) => {
      builder.builds += 1;
      const outside = join(outsideDir, `${entry.name}-${builder.builds}-${process.pid}`);
      await symlink(outside, join(stagingDir, "outside"));
      await mkdir(outside);
      const write = async (phase: BuildPhase, name: string, text: string) => {
        const path = join(stagingDir, name);
        onPhase(phase);
        await writeFile(path, text.slice(0, 1));
        await during?.(phase, signal);
        await writeFile(path, text);
        return path;
      };
      return {
        source: { kind: "debian-packages" as const, suite: entry.suite, mirror: null },
        packages: [{ name: "git", version: "1" }],
        kernelVersion: "6.1.0",
        kernelPath: await write("packages", "vmlinuz", "kernel"),
        modulesPath: await write("kernel", "modules.cpio", "modules"),
        rootImagePath: await write("image", "root.ext4", content),
      };
    },
    clean: async (stagingDir: string) => {
      const outside = await readlink(join(stagingDir, "outside")).catch(() => undefined);
      if (outside) await rm(outside, { recursive: true, force: true });
    },
  };
  return builder;
}
