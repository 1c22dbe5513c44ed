import { lstat, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { oddKind } from "../host/named/look.ts";

/** Files that git opens as they are. It would wait for ever for the other end of a pipe. */
const gitFiles = ["HEAD", "config", "config.worktree", "commondir", "index", "packed-refs", "shallow"];

/**
 * Why git would hang on the repository that contains a folder: a file of it is a pipe or a device.
 */
export async function oddFileAround(dir: string): Promise<string | undefined> {
  for (let at = dir; ; at = dirname(at)) {
    const odd = await oddFileOf(at);
    if (odd !== undefined || dirname(at) === at || (await exists(join(at, ".git")))) return odd;
  }
}

/** The same for the repository that a folder itself is, or has in its `.git`. */
export async function oddFileOf(dir: string): Promise<string | undefined> {
  const paths = [dir, join(dir, ".git")].flatMap((gitDir) => gitFiles.map((name) => join(gitDir, name)));
  const kinds = await Promise.all(paths.map(kindOf));
  const index = kinds.findIndex((kind) => kind !== undefined);
  return index === -1 ? undefined : `its '${paths[index]}' is ${kinds[index]}`;
}

async function kindOf(path: string): Promise<string | undefined> {
  const stats = await stat(path).catch(() => undefined);
  return stats && oddKind(stats);
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
