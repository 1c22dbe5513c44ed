import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { eventually } from "../helpers/processes.ts";
import { linkSharedTemplates } from "../helpers/templates.ts";
import { processesAround } from "./processes.ts";
import { signalTo } from "./world.ts";

/** Why this user cannot have such a disk; undefined if it can. */
export const noCuttableDisk = process.getuid?.() === 0 ? undefined : "a file system can only be mounted by root";

const processesEndMs = 30_000;

/**
 * A file system of its own, on a loop device, whose power can be cut: it then is what its device
 * had at that moment, and every process that used it is gone.
 */
export class CuttableDisk implements AsyncDisposable {
  readonly #dir: string;
  /** Where it is mounted */
  readonly mountPoint: string;
  #loopDevice = "";

  private constructor(dir: string) {
    this.#dir = dir;
    this.mountPoint = join(dir, "disk");
  }

  /** An ext4 file system, the one that most hosts have. */
  static async create(sizeMib: number): Promise<CuttableDisk> {
    const disk = new CuttableDisk(await mkdtemp(join(tmpdir(), "pyro cut ")));
    await mkdir(disk.mountPoint);
    run("truncate", "-s", `${sizeMib}M`, disk.#imagePath);
    run("mkfs.ext4", "-q", "-F", disk.#imagePath);
    disk.#mount();
    await mkdir(join(disk.mountPoint, "cache"), { mode: 0o700 });
    await linkSharedTemplates(join(disk.mountPoint, "cache"));
    run("sync", "-f", disk.mountPoint);
    return disk;
  }

  get #imagePath(): string {
    return join(this.#dir, "image");
  }

  #mount(): void {
    this.#loopDevice = run("losetup", "--find", "--show", this.#imagePath).trim();
    run("mount", "-t", "ext4", this.#loopDevice, this.mountPoint);
  }

  async #unmount(): Promise<void> {
    // A process whose first thread has ended counts as gone, and its others may still have files
    // open.
    const isUnmounted = async () => succeeds("umount", this.mountPoint);
    await eventually(isUnmounted, processesEndMs, `${this.mountPoint} is not busy`);
    run("losetup", "--detach", this.#loopDevice);
  }

  async #copyImage(target: string): Promise<void> {
    const statPath = `/sys/block/${basename(this.#loopDevice)}/stat`;
    // The system may just be writing something back. A copy is of one moment if nothing was written
    // meanwhile.
    const isCopied = async () => {
      const before = await readFile(statPath, "utf8");
      run("cp", "--sparse=always", this.#imagePath, target);
      const inFlight = before.trim().split(/\s+/)[8];
      return inFlight === "0" && before === (await readFile(statPath, "utf8"));
    };
    await eventually(isCopied, processesEndMs, "nothing is written to the disk");
  }

  /** Cuts the power at this moment, and mounts what is left. */
  async cut(): Promise<void> {
    const copyPath = join(this.#dir, "copy");
    const processes = await processesAround(this.mountPoint);
    for (const { pid } of processes) signalTo(pid, "SIGSTOP");
    await this.#copyImage(copyPath);
    await this.#endProcesses();
    await this.#unmount();
    await rename(copyPath, this.#imagePath);
    this.#mount();
  }

  async #endProcesses(): Promise<void> {
    const areGone = async () => {
      const left = await processesAround(this.mountPoint);
      for (const { pid } of left) signalTo(pid, "SIGKILL");
      return left.length === 0;
    };
    await eventually(areGone, processesEndMs, "the processes on the disk end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endProcesses();
    await this.#unmount();
    if (process.env["CHAOS_KEEP"] === undefined) await rm(this.#dir, { recursive: true, force: true });
  }
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8" });
}

function succeeds(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args).status === 0;
}
