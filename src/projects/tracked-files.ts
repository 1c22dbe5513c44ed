import { isUtf8 } from "node:buffer";
import { realpath } from "node:fs/promises";
import { hasGit } from "./detect.ts";
import { askGit, gitReason } from "./git.ts";
import { oddFileOf } from "./odd-git-file.ts";
import { brokenProblem, hangingProblem, problemError, repositoryProblem } from "./problem.ts";

const listTimeoutMs = 2 * 60_000;
const submoduleMode = "160000";

/**
 * Paths as git has them: bytes from the top level, each once, also if they are missing in the
 * working tree.
 */
export interface TrackedFiles {
  readonly files: readonly Buffer[];
  /** Folders of submodules */
  readonly folders: readonly Buffer[];
  /** Submodules whose files are unknown */
  readonly skipped: readonly { readonly path: Buffer; readonly reason: string }[];
}

/** Output of one `ls-files` */
interface Listing {
  readonly files: Buffer[];
  readonly submodules: Buffer[];
}

/**
 * The files that git tracks in a checkout, staged ones included, and those of its checked-out
 * submodules. It enters submodules itself, because git's `--recurse-submodules` leaves out those
 * that no `.gitmodules` names and cannot tell which are broken.
 */
export async function trackedFiles(
  root: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<TrackedFiles> {
  const action = `cannot list the tracked files of '${root}'`;
  if (!(await hasGit(root))) {
    throw problemError(action, brokenProblem(root, "it is no longer a Git checkout"));
  }
  const odd = await oddFileOf(root);
  if (odd !== undefined) throw problemError(action, hangingProblem(odd));
  const top = await listFiles(root, signal);
  if (!("files" in top)) throw problemError(action, repositoryProblem(root, top));
  const files = [top.files];
  const folders: Buffer[] = [];
  const skipped: { path: Buffer; reason: string }[] = [];
  const pending = top.submodules;
  for (let path = pending.shift(); path !== undefined; path = pending.shift()) {
    folders.push(path);
    const inside = await listSubmodule(root, path, signal);
    if (typeof inside === "string") skipped.push({ path, reason: inside });
    else {
      files.push(inside.files.map((file) => below(path, file)));
      pending.push(...inside.submodules.map((folder) => below(path, folder)));
    }
  }
  return { files: files.flat(), folders, skipped };
}

/** Nothing for a submodule that is not checked out; a reason if its files cannot be listed. */
async function listSubmodule(root: string, path: Buffer, signal: AbortSignal | undefined): Promise<Listing | string> {
  const nothing: Listing = { files: [], submodules: [] };
  if (!isUtf8(path)) return "it is a submodule whose name is not UTF-8";
  const dir = `${root}/${path.toString("utf8")}`;
  // A link would lead to another repository.
  if (!(await hasGit(dir)) || (await realpath(dir).catch(() => undefined)) !== dir) return nothing;
  const listed = await listFiles(dir, signal);
  return "files" in listed ? listed : `its submodule cannot be read: ${gitReason(listed)}`;
}

async function listFiles(
  dir: string,
  signal: AbortSignal | undefined,
): Promise<Listing | { readonly stderr: string; readonly exitCode: number | null }> {
  const listed = await askGit(["-C", dir, "ls-files", "-z", "--cached", "--stage"], {
    timeoutMs: listTimeoutMs,
    signal,
  });
  return listed.exitCode === 0 ? parseListing(listed.stdout) : listed;
}

/**
 * Parses records such as `100644 DIGEST 0\tpath`, each with a zero byte behind it. A conflict has
 * one for each side.
 */
function parseListing(output: Buffer): Listing {
  const listing: Listing = { files: [], submodules: [] };
  let previous: Buffer | undefined;
  for (let start = 0, end = output.indexOf(0); end !== -1; start = end + 1, end = output.indexOf(0, start)) {
    const path = output.subarray(output.indexOf("\t", start) + 1, end);
    if (previous?.equals(path)) continue;
    previous = path;
    if (!isTreePath(path)) continue;
    const mode = output.toString("latin1", start, start + submoduleMode.length);
    (mode === submoduleMode ? listing.submodules : listing.files).push(path);
  }
  return listing;
}

/**
 * An index that git did not write can name its own repository. In a folder that should be a
 * submodule but has no repository, git answers with the folder itself: `./`.
 */
function isTreePath(path: Buffer): boolean {
  return !/(?:^|\/)(?:\.git)?(?:\/|$)/.test(path.toString("latin1"));
}

function below(folder: Buffer, path: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), path]);
}
