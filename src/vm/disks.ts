import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import { capture, findProgram } from "../host/process.ts";
import { confine } from "./confinement.ts";
import type { DiskLayer } from "./driver.ts";
import { InheritedFiles, inherited } from "./inherited-files.ts";

export interface Extent {
  /** Offset in bytes */
  readonly start: number;
  /** Length in bytes */
  readonly length: number;
}

/** Makes and changes disk files, whichever VMM uses them. */
export interface DiskTool {
  /** Makes an empty qcow2 layer over `base`, of `sizeBytes` as the guest sees it */
  createOverlay(path: string, sizeBytes: number, base?: DiskLayer): Promise<void>;
  /**
   * Writes the content of the last layer into the one below it, which then is both. A crash in
   * between does not change what the layers read as.
   */
  mergeTopLayer(layers: readonly DiskLayer[]): Promise<void>;
  /** Parts of a file that are not holes; reading only them makes a big sparse file cheap to read */
  dataExtents(path: string, signal?: AbortSignal): Promise<readonly Extent[]>;
}

const programName = "qemu-img";
/** Output of `qemu-img map --output=json` */
const imageMapSchema = z.array(z.object({ start: z.number(), length: z.number(), data: z.boolean() }));
const toolTimeoutMs = 30_000;
/** A merge copies the content of one layer: a disk's worth at most */
const mergeTimeoutMs = 2 * 60_000;
/** The first descriptor after the standard ones */
const firstFileFd = 3;

/** Finds the disk tool of this host; fails with `unavailable` if it is missing. */
export async function findDiskTool(searchPath: string, uid: number): Promise<DiskTool> {
  const program = await findProgram(programName, searchPath);
  if (program === undefined) {
    throw new PyroError("unavailable", `cannot run virtual machines: ${programName} is not in PATH`, {
      hint: "Install QEMU: `apt-get install qemu-system-x86 qemu-utils`.",
    });
  }
  return {
    createOverlay: (path, sizeBytes, base) => createOverlay(program, path, sizeBytes, base),
    mergeTopLayer: (layers) => mergeTopLayer(program, uid, layers),
    dataExtents: (path, signal) => dataExtents(program, path, signal),
  };
}

async function createOverlay(program: string, path: string, sizeBytes: number, base?: DiskLayer): Promise<void> {
  const backing = base ? ["-b", base.path, "-F", base.format] : [];
  // A cluster has 32 subclusters, so a small write copies 4 KiB from the base instead of 128.
  const format = ["-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k"];
  const { exitCode, stderr } = await capture(
    [program, "create", "-q", ...format, ...backing, path, String(sizeBytes)],
    { timeoutMs: toolTimeoutMs },
  );
  if (exitCode !== 0) throw new PyroError("internal", `cannot create disk '${path}': ${stderr.trim()}`);
}

async function mergeTopLayer(program: string, uid: number, layers: readonly DiskLayer[]): Promise<void> {
  // A guest chose what is in the layers, so the tool that reads them has no more rights than a VMM.
  const { owner, setprivOptions } = await confine(uid, "tcg");
  const files = new InheritedFiles(owner, firstFileFd);
  try {
    const nodes = layers.map(({ path, format }, index) => {
      const fd = files.open(path, index < layers.length - 2 ? "r" : "r+");
      return { driver: format, file: { driver: "file", filename: inherited(fd), locking: "off" } };
    });
    const run = async (...args: readonly string[]) => {
      const options = { timeoutMs: mergeTimeoutMs, extraFds: files.fds, privileges: setprivOptions };
      const { exitCode, stderr } = await capture([program, ...args], options);
      if (exitCode !== 0) throw new PyroError("internal", `cannot merge '${layers.at(-1)?.path}': ${stderr.trim()}`);
    };
    // The layer of a machine that was killed lacks reference counts. The merge would not make them,
    // and would overwrite clusters that are in use.
    const writable = nodes.slice(-2).filter(({ driver }) => driver === "qcow2");
    for (const node of writable) await run("check", "-q", "-r", "all", `json:${JSON.stringify(node)}`);
    // Layers do not name the ones below them, so the chain spells out all of them. The tool copies
    // whole clusters, including what shines through from below.
    const chain = nodes.reduce<object | undefined>(
      (backing, node) => (backing ? { ...node, backing } : node),
      undefined,
    );
    await run("commit", "-q", "-d", `json:${JSON.stringify(chain)}`);
  } finally {
    files.close();
  }
}

async function dataExtents(program: string, path: string, signal: AbortSignal | undefined): Promise<readonly Extent[]> {
  const { exitCode, stdout, stderr } = await capture([program, "map", "--output=json", "-f", "raw", path], {
    timeoutMs: toolTimeoutMs,
    signal,
  });
  if (exitCode !== 0) throw new PyroError("internal", `cannot map '${path}': ${stderr.trim()}`);
  return imageMapSchema.parse(JSON.parse(stdout)).filter(({ data }) => data);
}
