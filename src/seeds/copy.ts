import { createHash, type Hash } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { saysDiskFull } from "../host/disk-space.ts";
import { fileError } from "../host/files.ts";
import type { CheckedArchive } from "../tree/archive/read.ts";
import { type ContentPiece, seedLimits, type TreeItem } from "../tree/entry.ts";
import type { ScannedEntry, TreeScan } from "../tree/scan/tree-scan.ts";
import { TreeWriter, writeFailure } from "../tree/write/tree-writer.ts";
import { type BuildRoot, diskFull, runAsRoot } from "./build-root.ts";
import { seedFolders, stagedFiles } from "./image.ts";

const copyTimeoutMs = 30 * 60_000;
/** Archive members of folders with a set time, and the rest */
const listNames = { folders: "folders", rest: "rest" } as const;
/** Folder of the tree in the staging folder */
export const baseDir = join(stagedFiles.fileSystem, seedFolders.base);

/**
 * Copies the listed files through a tar stream, which is the same for the same tree. It prints the
 * stream's digest and the exit codes of both ends. The extracting end makes links that lead out of
 * the tree last, so a tree that changes meanwhile cannot make it write elsewhere. Folders with a
 * set time come in an archive before the other, because tar sets one time for all that it packs.
 */
const copyScript = `set -u
exec 3>&1
mkfifo stream
sha256sum < stream >&3 &
pack() {
  tar --create --null --no-unquote --no-recursion --format=gnu --owner=0 --group=0 --numeric-owner --sparse \\
    --directory="$@" || status=$?
}
{
  status=0
  [ -z "$2" ] || pack "$1" --mtime="$2" --files-from=${listNames.folders}
  # What is written beside the files that are wanted changes their folders: 1 says no more than that.
  [ "$status" != 1 ] || status=0
  pack "$1" --files-from=${listNames.rest}
  echo "create $status" >&3
} | tee stream | {
  tar --extract --ignore-zeros --preserve-permissions --same-owner --numeric-owner --delay-directory-restore \\
    --directory=${baseDir}
  echo "extract $?" >&3
}
wait
rm stream ${listNames.folders} ${listNames.rest}
`;

export interface CopyRequest {
  readonly root: BuildRoot;
  readonly stagingDir: string;
  readonly failure: string;
  readonly signal: AbortSignal | undefined;
}

/** A copy of a tree */
export interface CopiedTree {
  /** SHA-256 over names, kinds, modes, times in seconds and content, in `HEX` */
  readonly digest: string;
  /**
   * Whether every file was as it was scanned. Only another scan can tell that the copy is of one
   * moment
   */
  readonly isWhole: boolean;
  /** Reason why the copy is not whole */
  readonly problem: string;
}

/** Copies the entries of a scan, owned by root. */
export async function copyDirectory(request: CopyRequest, sourceDir: string, scan: TreeScan): Promise<CopiedTree> {
  const { root, stagingDir, failure, signal } = request;
  const isApart = ({ type }: ScannedEntry) => scan.folderTimes === "newest" && type === "directory";
  // All have the same time, the root included.
  const folderTime = scan.folderTimes === "newest" ? `@${(scan.entries[0]?.mtimeNs ?? 0n) / 1_000_000_000n}` : "";
  try {
    await mkdir(join(stagingDir, baseDir), { recursive: true, mode: 0o700 });
    await writeFile(join(stagingDir, listNames.folders), namesOf(scan.entries.filter(isApart)));
    await writeFile(join(stagingDir, listNames.rest), namesOf(scan.entries.filter((entry) => !isApart(entry))));
  } catch (error) {
    throw fileError(failure, error);
  }
  const { stdout, stderr } = await runAsRoot(root, ["sh", "-c", copyScript, "sh", sourceDir, folderTime], {
    timeoutMs: copyTimeoutMs,
    cwd: stagingDir,
    signal,
  });
  if (saysDiskFull(stderr)) throw diskFull(failure);
  const problem =
    stderr
      .trim()
      .split("\n")
      .find((line) => !line.endsWith("exit delayed from previous errors")) ?? "";
  const digest = /^([0-9a-f]{64}) /m.exec(stdout)?.[1];
  if (digest === undefined || !/^extract 0$/m.test(stdout)) {
    throw new PyroError("internal", `${failure}: it was not copied: ${problem}`, { details: { stdout, stderr } });
  }
  return { digest, isWhole: /^create 0$/m.test(stdout), problem };
}

function namesOf(entries: readonly ScannedEntry[]): Buffer {
  return Buffer.concat(entries.flatMap(({ path }) => [path.length === 0 ? Buffer.from(".") : path, Buffer.from([0])]));
}

/** Unpacks an archive that was checked, without tar. */
export async function copyArchive(request: CopyRequest, archive: CheckedArchive): Promise<CopiedTree> {
  const { stagingDir, failure, signal } = request;
  const [hash, holes] = [createHash("sha256").update("archive-1"), new HoleHash()];
  const root = join(stagingDir, baseDir);
  const writer = new TreeWriter({ root, limits: seedLimits, keepSpecialBits: true, signal });
  try {
    await mkdir(join(stagingDir, stagedFiles.fileSystem), { recursive: true, mode: 0o700 });
    await writer.write(hashed(archive.items(), hash, holes));
    writer.seal();
  } catch (error) {
    throw writeFailure(failure, error, (cause) => fileError(failure, cause));
  }
  return { digest: holes.digestWith(hash), isWhole: true, problem: "" };
}

/** An empty folder. */
export async function copyNothing({ stagingDir, failure }: CopyRequest): Promise<void> {
  const path = join(stagingDir, baseDir);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o755);
  } catch (error) {
    throw fileError(failure, error);
  }
}

async function* hashed(items: AsyncIterable<TreeItem>, hash: Hash, holes: HoleHash): AsyncGenerator<TreeItem> {
  for await (const item of items) {
    const { path, type, mode, size, mtimeNs, target = Buffer.alloc(0) } = item;
    hash.update(`\0${type} ${mode} ${size} ${mtimeNs / 1_000_000_000n} ${path.length} ${target.length}\0`);
    hash.update(path).update(target);
    holes.begin();
    yield { ...item, content: () => hashedContent(item, hash, holes) };
  }
}

async function* hashedContent(item: TreeItem, hash: Hash, holes: HoleHash): AsyncGenerator<ContentPiece> {
  for await (const piece of item.content()) {
    if ("data" in piece) hash.update(piece.data);
    holes.add(piece);
    yield piece;
  }
}

/**
 * Where the holes of a tree's files are. Hashing them as zeros would cost as much as content, and
 * without them two files with the same data in other places would be equal.
 */
class HoleHash {
  readonly #hash = createHash("sha256");
  #hasHoles = false;
  #entry = 0;
  #position = 0;

  begin(): void {
    this.#entry += 1;
    this.#position = 0;
  }

  add(piece: ContentPiece): void {
    if ("hole" in piece) {
      this.#hash.update(`${this.#entry} ${this.#position} ${piece.hole}\n`);
      this.#hasHoles = true;
    }
    this.#position += "data" in piece ? piece.data.length : piece.hole;
  }

  /** The digest of everything else, unless there are holes. */
  digestWith(hash: Hash): string {
    const digest = hash.digest("hex");
    if (!this.#hasHoles) return digest;
    return createHash("sha256")
      .update(`holes-1 ${digest} ${this.#hash.digest("hex")}`)
      .digest("hex");
  }
}
