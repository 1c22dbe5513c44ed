import { chownSync, closeSync, constants, openSync, statSync, unlinkSync } from "node:fs";
import { PyroError } from "../../core/errors.ts";
import type { Disk } from "../driver.ts";
import type { DiskFd } from "./args.ts";
import type { FileOwner } from "./confinement.ts";

/** Files opened here and handed to a child by number. */
export class InheritedFiles {
  readonly fds: number[] = [];
  readonly #owner: FileOwner | undefined;
  readonly #firstFd: number;

  /** `owner`: who the child runs as, if that is somebody else; `firstFd`: the number that the first file has in the child */
  constructor(owner: FileOwner | undefined, firstFd: number) {
    this.#owner = owner;
    this.#firstFd = firstFd;
  }

  /** Opens a file and returns the number under which the child will have it. */
  open(path: string, flags: "r" | "r+" | "w+"): number {
    // Linux checks the file's own permissions again when QEMU opens its descriptor, so its user must own what it writes.
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
      // A raw file is what others have in common.
      if (isTop && format === "raw")
        throw new PyroError("internal", `cannot write to '${path}': it is no layer of its own`);
      const fd = this.open(path, isTop ? "r+" : "r");
      if (isTop && disk.disposable) unlinkSync(path);
      return { fd, format };
    });
  }

  close(): void {
    for (const fd of this.fds) closeSync(fd);
  }
}

/** Leaves alone what belongs to the owner already: a change of owner, even to the same one, changes the file's stamp. */
export function giveTo(path: string, owner: FileOwner): void {
  const { uid, gid } = statSync(path);
  if (uid !== owner.uid || gid !== owner.gid) chownSync(path, owner.uid, owner.gid);
}
