import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import type { ContentPiece, TreeEntry, TreeItem, TreeLimits } from "../entry.ts";
import { printablePath } from "../name.ts";
import { parentKey, pathKey, pathProblem, symlinkProblem } from "../path.ts";

export interface WriterOptions {
  /** Path for the root of the tree. No other process may write in its folder */
  readonly root: string;
  readonly limits: TreeLimits;
  /** Whether to keep set-user-ID, set-group-ID and sticky bits */
  readonly keepSpecialBits: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Marks an invalid tree, as opposed to a failing disk. */
class BadTree extends Error {}

/**
 * Limit in `bytes` for files that are written with one blocking call, which is ten times as fast as
 * five asynchronous ones
 */
const smallFileBytes = 64 * 1024;
const entriesBetweenBreaks = 100;
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const maxSeconds = 2 ** 33;

/**
 * Writes untrusted entries. Every parent must be a folder that it has made itself, so no path leads
 * through a link. Every name must be new.
 */
export class TreeWriter {
  entryCount = 0;
  contentBytes = 0;

  readonly #options: WriterOptions;
  readonly #root: Buffer;
  readonly #types = new Map<string, TreeEntry["type"]>();
  readonly #directories: TreeEntry[] = [];

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#root = Buffer.from(options.root);
  }

  /** Writes all items. Folders stay writable until `seal`. */
  async write(items: AsyncIterable<TreeItem>): Promise<void> {
    for await (const item of items) {
      throwIfCancelled(this.#options.signal);
      this.#admit(item);
      await this.#create(item);
      if (this.entryCount % entriesBetweenBreaks === 0) await setImmediate();
    }
    if (this.entryCount === 0) throw new BadTree("it is empty");
  }

  /** Type of the root */
  get type(): TreeEntry["type"] | undefined {
    return this.#types.get("");
  }

  /** Gives folders their own modes and times, innermost first. */
  seal(): void {
    for (const entry of this.#directories.toReversed()) {
      const path = this.#pathOf(entry.path);
      chmodSync(path, this.#modeOf(entry));
      const seconds = secondsOf(entry);
      utimesSync(path, seconds, seconds);
    }
  }

  /** Makes all folders writable again, so that they can be removed. */
  unseal(): void {
    for (const { path } of this.#directories) chmodSync(this.#pathOf(path), 0o700);
  }

  #admit(entry: TreeEntry): void {
    const { limits } = this.#options;
    const problem = pathProblem(entry.path) ?? this.#placeProblem(entry) ?? this.#targetProblem(entry);
    if (problem !== undefined) throw badEntry(entry, problem);
    if (!Number.isSafeInteger(entry.size) || entry.size < 0) throw badEntry(entry, `its size is ${entry.size}`);
    this.entryCount += 1;
    this.contentBytes += entry.type === "file" ? entry.size : 0;
    if (this.entryCount > limits.maxEntries) throw new TooMuch(`it has more than ${limits.maxEntries} entries`);
    if (this.contentBytes > limits.maxBytes) throw new TooMuch(`it has more than ${limits.maxBytes} bytes of content`);
    this.#types.set(pathKey(entry.path), entry.type);
  }

  #placeProblem({ path, type }: TreeEntry): string | undefined {
    const key = pathKey(path);
    if (this.#types.has(key)) return "it was sent before";
    const parent = parentKey(key);
    if (parent === undefined) return type === "hard_link" ? "it is the root, but a hard link" : undefined;
    const parentType = this.#types.get(parent);
    if (parentType === "directory") return undefined;
    return parentType ? `the folder it is in is a ${parentType}` : "the folder it is in was not sent";
  }

  #targetProblem({ type, target }: TreeEntry): string | undefined {
    if (type === "symlink") return symlinkProblem(target);
    if (type !== "hard_link") return undefined;
    const linked = target && this.#types.get(pathKey(target));
    return linked === "file" || linked === "hard_link" ? undefined : "it is a hard link to no file that was sent";
  }

  #create(item: TreeItem): Promise<void> | undefined {
    const path = this.#pathOf(item.path);
    const { type, target = Buffer.alloc(0) } = item;
    switch (type) {
      case "file":
        return item.size <= smallFileBytes ? this.#createSmall(path, item) : this.#createLarge(path, item);
      case "directory":
        mkdirSync(path, 0o700);
        this.#directories.push(item);
        return undefined;
      case "symlink":
        symlinkSync(target, path);
        lutimesSync(path, secondsOf(item), secondsOf(item));
        return undefined;
      case "hard_link":
        linkSync(this.#pathOf(target), path);
        return undefined;
      default:
        throw badEntry(item, `its type is ${JSON.stringify(type)}`);
    }
  }

  async #createSmall(path: Buffer, item: TreeItem): Promise<void> {
    const content = Buffer.alloc(item.size);
    for await (const { data, position } of placed(item)) data.copy(content, position);
    const file = openSync(path, createFlags, 0o600);
    try {
      for (let written = 0; written < content.length; ) written += writeSync(file, content, written);
      futimesSync(file, secondsOf(item), secondsOf(item));
      fchmodSync(file, this.#modeOf(item));
    } finally {
      closeSync(file);
    }
  }

  async #createLarge(path: Buffer, item: TreeItem): Promise<void> {
    await using file = await open(path, createFlags, 0o600);
    for await (const { data, position } of placed(item)) {
      throwIfCancelled(this.#options.signal);
      await writeFully(file, data, position);
    }
    await file.truncate(item.size);
    await file.utimes(secondsOf(item), secondsOf(item));
    await file.chmod(this.#modeOf(item));
  }

  #modeOf({ mode }: TreeEntry): number {
    return mode & (this.#options.keepSpecialBits ? 0o7777 : 0o777);
  }

  #pathOf(path: Buffer): Buffer {
    return path.length === 0 ? this.#root : Buffer.concat([this.#root, Buffer.from("/"), path]);
  }
}

/** Fails because the tree exceeds a limit. */
class TooMuch extends Error {}

function badEntry(entry: TreeEntry, problem: string): BadTree {
  return new BadTree(`'${printablePath(entry.path)}' is refused: ${problem}`);
}

async function writeFully(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let written = 0; written < data.length; ) {
    const { bytesWritten } = await file.write(data, written, data.length - written, position + written);
    written += bytesWritten;
  }
}

/** Pieces of data with their offsets. Together they must have the announced length. */
async function* placed(item: TreeItem): AsyncGenerator<{ readonly data: Buffer; readonly position: number }> {
  let position = 0;
  for await (const piece of item.content()) {
    const length = lengthOf(piece);
    if (!Number.isSafeInteger(length) || length < 0) throw badEntry(item, `a hole in it is ${length} bytes long`);
    if (position + length > item.size)
      throw badEntry(item, `it has more content than the ${item.size} bytes announced`);
    if ("data" in piece) yield { data: piece.data, position };
    position += length;
  }
  if (position < item.size) throw badEntry(item, `it has ${position} of the ${item.size} bytes announced`);
}

function lengthOf(piece: ContentPiece): number {
  return "data" in piece ? piece.data.length : piece.hole;
}

function secondsOf({ mtimeNs }: TreeEntry): number {
  const seconds = Number(mtimeNs) / 1e9;
  return Math.abs(seconds) < maxSeconds ? seconds : 0;
}

/** A failure while a tree was written, as an error that names the target. */
export function writeFailure(action: string, error: unknown, translate: (error: unknown) => PyroError): PyroError {
  if (error instanceof PyroError) return error;
  if (error instanceof BadTree) {
    return new PyroError("internal", `${action}: what was sent is not a tree: ${error.message}`, {
      hint: "Look at what is at that path in the workspace, and try again.",
      cause: error,
    });
  }
  if (error instanceof TooMuch) {
    return new PyroError("resource_exhausted", `${action}: ${error.message}`, {
      hint: "Choose a smaller part of it.",
      cause: error,
    });
  }
  return translate(error);
}
