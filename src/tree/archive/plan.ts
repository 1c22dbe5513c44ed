import { PyroError } from "../../core/errors.ts";
import { blocksFor, type SkippedEntry, type TreeEntry, type TreeLimits } from "../entry.ts";
import { printablePath } from "../name.ts";
import { parentKey, pathKey, pathProblem, symlinkProblem } from "../path.ts";
import type { ArchiveEntry, ArchiveMember } from "./member.ts";

const devices: Readonly<Record<string, string>> = {
  fifo: "it is a named pipe",
  "character-device": "it is a character device",
  "block-device": "it is a block device",
};

interface Planned {
  readonly entry: TreeEntry;
  /** Index of the member in the archive; -1 for a parent that is not in it */
  readonly index: number;
  /** Disk space of its content in `bytes` without holes */
  readonly storedBytes: number;
}

/**
 * The tree of an archive's members: the last of each name, in harmless places, and the parents that
 * they imply.
 */
export class ArchivePlan {
  readonly skipped: SkippedEntry[] = [];
  /** Entries with parents first, known when the plan is finished */
  directories: readonly TreeEntry[] = [];

  readonly #path: string;
  readonly #limits: TreeLimits;
  readonly #duplicates: "last" | "refused";
  readonly #planned = new Map<string, Planned>();
  readonly #linked = new Set<string>();
  readonly #byIndex = new Map<number, TreeEntry>();
  #memberCount = 0;
  #contentBytes = 0;

  /** `duplicates`: whether the last member of a name counts, or a second one is refused */
  constructor(path: string, limits: TreeLimits, duplicates: "last" | "refused") {
    this.#path = path;
    this.#limits = limits;
    this.#duplicates = duplicates;
  }

  /** Takes the next member, or refuses the archive. */
  add(member: ArchiveMember): void {
    const index = this.#memberCount;
    this.#memberCount += 1;
    this.#requireWithinLimits(member);
    const name = printablePath(member.name);
    const { entry, storedBytes } = member;
    if ("reason" in entry) throw this.#refused(name, entry.reason, entry.hint);
    const problem = pathProblem(entry.path) ?? this.#typeProblem(entry);
    if (problem !== undefined) throw this.#refused(name, problem);
    const device = devices[entry.type];
    if (device !== undefined) this.skipped.push({ path: printablePath(entry.path), reason: device });
    else this.#plan({ entry: entry as TreeEntry, index, storedBytes });
  }

  /** Fails if the members do not fit together. Returns the entries otherwise. */
  finish(): readonly TreeEntry[] {
    for (const [key, { entry }] of [...this.#planned]) this.#requireParents(key, entry);
    if (!this.#planned.has("")) this.#imply("", 0n);
    if (this.#planned.size > this.#limits.maxEntries) throw this.#tooLarge();
    const sorted = [...this.#planned].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, planned]) => planned);
    this.directories = sorted.map(({ entry }) => entry).filter(({ type }) => type === "directory");
    for (const { entry, index } of sorted) if (entry.type !== "directory") this.#byIndex.set(index, entry);
    return sorted.map(({ entry }) => entry);
  }

  /** Disk space of the tree in `bytes`. */
  get diskBytes(): number {
    return [...this.#planned.values()].reduce((sum, { storedBytes }) => sum + 512 + blocksFor(storedBytes), 0);
  }

  /** The entry that a member becomes, unless it is a folder or a later one replaces it. */
  entryAt(index: number): TreeEntry | undefined {
    return this.#byIndex.get(index);
  }

  #requireWithinLimits({ size }: ArchiveMember): void {
    this.#contentBytes += size;
    const isWithin = this.#memberCount <= this.#limits.maxEntries && this.#contentBytes <= this.#limits.maxBytes;
    if (!isWithin) throw this.#tooLarge();
  }

  #typeProblem(entry: ArchiveEntry): string | undefined {
    if (entry.path.length === 0 && entry.type !== "directory") return "it is the root of the tree but not a directory";
    if (entry.type === "symlink") return symlinkProblem(entry.target);
    return entry.type === "hard_link" ? this.#linkProblem(entry.target) : undefined;
  }

  #linkProblem(target: Buffer | undefined): string | undefined {
    if (!target || target.length === 0) return "it is a hard link to nothing";
    const problem = pathProblem(target);
    if (problem !== undefined) return `it is a hard link, and of its target ${problem}`;
    const type = this.#planned.get(pathKey(target))?.entry.type;
    if (type === "file" || type === "hard_link") return undefined;
    return `it is a hard link to '${printablePath(target)}', which is no earlier file of the archive`;
  }

  #plan({ entry, index, storedBytes }: Planned): void {
    const key = pathKey(entry.path);
    const name = printablePath(entry.path);
    const earlier = this.#planned.get(key)?.entry;
    if (earlier && earlier.type !== entry.type) {
      throw this.#refused(name, `it is there twice, as ${spoken(earlier)} and as ${spoken(entry)}`);
    }
    if (earlier && this.#duplicates === "refused") throw this.#refused(name, "it is there twice");
    if (earlier && this.#linked.has(key)) throw this.#refused(name, "it is there again after a hard link to it");
    if (entry.type === "hard_link" && entry.target) this.#linked.add(pathKey(entry.target));
    this.#planned.set(key, { entry, index, storedBytes: entry.type === "file" ? storedBytes : 0 });
  }

  #requireParents(key: string, entry: TreeEntry): void {
    for (let parent = parentKey(key); parent !== undefined && parent !== ""; parent = parentKey(parent)) {
      const planned = this.#planned.get(parent)?.entry;
      if (planned?.type === "directory") continue;
      if (!planned) {
        this.#imply(parent, entry.mtimeNs);
        continue;
      }
      const parentName = printablePath(planned.path);
      const reason =
        planned.type === "symlink"
          ? `it would be written through the symbolic link '${parentName}'`
          : `'${parentName}', which it is in, is not a directory`;
      throw this.#refused(printablePath(entry.path), reason);
    }
  }

  #imply(key: string, mtimeNs: bigint): void {
    const path = Buffer.from(key, "latin1");
    this.#planned.set(key, {
      entry: { path, type: "directory", mode: 0o755, size: 0, mtimeNs },
      index: -1,
      storedBytes: 0,
    });
    // Each can imply as many parents as its path has names.
    if (this.#planned.size > this.#limits.maxEntries) throw this.#tooLarge();
  }

  #refused(name: string, reason: string, hint = "Create the archive again without that member."): PyroError {
    const message = `cannot read archive '${this.#path}': member '${name}' is refused: ${reason}`;
    return new PyroError("invalid_argument", message, { hint });
  }

  #tooLarge(): PyroError {
    const { maxEntries, maxBytes } = this.#limits;
    const most = `${maxEntries} members and ${(maxBytes / 1024 ** 3).toFixed(1)} GiB of content`;
    return new PyroError("resource_exhausted", `cannot read archive '${this.#path}': it has more than ${most}`, {
      hint: "Choose a smaller archive.",
    });
  }
}

function spoken({ type }: TreeEntry): string {
  const names = { file: "a file", directory: "a directory", symlink: "a symbolic link", hard_link: "a hard link" };
  return names[type];
}
