import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

const imageBytes = 64 * 1024 ** 2;

/** Makes the disk of a workspace that begins with these files. */
export async function makeWorkspaceImage(path: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
  const tree = await mkdtemp(`${path}-tree-`);
  try {
    for (const name of ["base", "upper", "work"]) await mkdir(join(tree, name), { mode: 0o755 });
    for (const [name, content] of Object.entries(files)) await writeFile(join(tree, "base", name), content);
    await writeFile(path, "");
    await truncate(path, imageBytes);
    execFileSync("mkfs.ext4", ["-q", "-F", "-O", "^has_journal,^orphan_file", "-d", tree, path]);
    // A VMM may read it as another user.
    await chmod(path, 0o644);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}
