import { execFileSync } from "node:child_process";
import { mkdtemp, open, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DiskTool, findDiskTool } from "../../../src/vm/disks.ts";

const mib = 1024 ** 2;
const uid = process.getuid?.() ?? 0;

test("a host without the tool is told what to install", async () => {
  await expect(findDiskTool("/nowhere", uid)).rejects.toMatchObject({
    code: "unavailable",
    message: "cannot run virtual machines: qemu-img is not in PATH",
    hint: expect.stringContaining("qemu-utils"),
  });
});

const tool = await findDiskTool(process.env["PATH"] ?? "", uid).catch(() => undefined);

describe.skipIf(!tool)("the disk tool", () => {
  const { createOverlay, mergeTopLayer, dataExtents } = tool as DiskTool;
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "pyro-disks-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test("tells where the data of a sparse file is", async () => {
    const path = join(dir, "sparse");
    await using file = await open(path, "w");
    await truncate(path, 64 * mib);
    await file.write(Buffer.alloc(4096, 1), 0, 4096, 16 * mib);
    await file.sync();
    const extents = await dataExtents(path);
    expect(extents.every(({ start, length }) => start >= 15 * mib && start + length <= 17 * mib)).toBe(true);
    expect(extents.reduce((total, { length }) => total + length, 0)).toBeGreaterThanOrEqual(4096);
  });

  test("makes layers that take little room, and merges the top one into the one below", async () => {
    const base = { path: join(dir, "base"), format: "raw" } as const;
    const lower = { path: join(dir, "lower"), format: "qcow2" } as const;
    const top = { path: join(dir, "top"), format: "qcow2" } as const;
    await using file = await open(base.path, "w");
    await file.write(Buffer.alloc(mib, 0xaa), 0, mib, 0);
    for (const { path } of [lower, top]) {
      await createOverlay(path, 8 * mib);
      expect((await stat(path)).blocks * 512).toBeLessThan(2 * mib);
    }
    write(top.path, 0xbb);
    await mergeTopLayer([base, lower, top]);
    expect(readByte([base, lower], 64 * 1024)).toBe("bb");
    expect(readByte([base, lower], 0)).toBe("aa");
  });

  test("names the file that it cannot work on", async () => {
    await expect(dataExtents(join(dir, "missing"))).rejects.toThrow(/^cannot map '.*missing': /);
    await expect(createOverlay(join(dir, "no/folder"), mib)).rejects.toThrow(/^cannot create disk '.*no\/folder': /);
  });
});

interface Layer {
  readonly path: string;
  readonly format: string;
}

/** Writes 4 KiB at 64 KiB of a layer. */
function write(path: string, byte: number): void {
  execFileSync("qemu-io", ["-f", "qcow2", "-c", `write -P ${byte} 64k 4k`, path]);
}

function readByte(layers: readonly Layer[], offset: number): string {
  const chain = layers.reduce<object | undefined>(
    (backing, { path, format }) => ({
      driver: format,
      file: { driver: "file", filename: path },
      ...(backing ? { backing } : {}),
    }),
    undefined,
  );
  const image = `json:${JSON.stringify(chain)}`;
  const output = execFileSync("qemu-io", ["-r", "-c", `read -v ${offset} 1`, image], { encoding: "utf8" });
  return /^[0-9a-f]+:\s+([0-9a-f]{2})/m.exec(output)?.[1] ?? output;
}
