import { chownSync, closeSync, constants, openSync, statSync, unlinkSync } from "node:fs";
import { PyroError } from "../core/errors.ts";
import type { FileOwner } from "./confinement.ts";
import type { Disk, DiskFormat } from "./driver.ts";

/** A layer of a disk by the number of its descriptor in the child. */
export interface DiskFd {
  readonly fd: number;
  readonly format: DiskFormat;
}

/** Files opened here and handed to a child by number. */
export class InheritedFiles {
  readonly fds: number[] = [];
  readonly #owner: FileOwner | undefined;
  readonly #firstFd: number;

  /**
   * `owner`: the child's user, if it is another than ours; `firstFd`: the first file's number in
   * the child
   */
  constructor(owner: FileOwner | undefined, firstFd: number) {
    this.#owner = owner;
    this.#firstFd = firstFd;
  }

  /** Opens a file and returns its number in the child. */
  open(path: string, flags: "r" | "r+" | "w+"): number {
    // Linux checks the file's permissions again when the child opens the descriptor's path, so the
    // child's user must own what it writes.
    if (flags === "w+") closeSync(openSync(path, "wx", 0o600));
    if (flags !== "r" && this.#owner) giveTo(path, this.#owner);
    this.fds.push(openSync(path, flags === "w+" ? "r+" : flags));
    return this.#firstFd + this.fds.length - 1;
  }

  openDir(path: string): number {
    this.fds.push(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    return this.#firstFd + this.fds.length - 1;
  }

  openDisk(disk: Disk): DiskFd[] {
    return disk.layers.map(({ path, format }, index) => {
      const isTop = index === disk.layers.length - 1;
      // Machines have their raw files in common.
      if (isTop && format === "raw" && !disk.ownsRaw) {
        throw new PyroError("internal", `cannot write to '${path}': it is no layer of its own`);
      }
      const fd = this.open(path, isTop ? "r+" : "r");
      if (isTop && disk.disposable) unlinkSync(path);
      return { fd, format };
    });
  }

  close(): void {
    for (const fd of this.fds) closeSync(fd);
  }
}

/** The path by which a child opens a file that it has inherited. */
export function inherited(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Changes a file's owner. It leaves alone a file that belongs to the owner already, because even a
 * change to the same owner changes the file's stamp.
 */
export function giveTo(path: string, owner: FileOwner): void {
  const { uid, gid } = statSync(path);
  if (uid !== owner.uid || gid !== owner.gid) chownSync(path, owner.uid, owner.gid);
}
