import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface WorkspaceImage {
  readonly path: string;
  readonly sizeMib: number;
  /** Content of the files that the workspace begins with, by name */
  readonly files: Readonly<Record<string, string>>;
}

/** Makes the disk of a workspace, as a sparse file. */
export async function makeWorkspaceImage({ path, sizeMib, files }: WorkspaceImage): Promise<void> {
  const tree = await mkdtemp(`${path}-tree-`);
  try {
    for (const name of ["base", "upper", "work"]) await mkdir(join(tree, name), { mode: 0o755 });
    for (const [name, content] of Object.entries(files)) await writeFile(join(tree, "base", name), content);
    await writeFile(path, "");
    await truncate(path, sizeMib * 1024 ** 2);
    execFileSync("mkfs.ext4", [
      "-q",
      "-F",
      "-O",
      "^has_journal,^orphan_file",
      "-E",
      "lazy_itable_init=1,nodiscard",
      "-d",
      tree,
      path,
    ]);
    // A VMM may read it as another user.
    await chmod(path, 0o644);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}
