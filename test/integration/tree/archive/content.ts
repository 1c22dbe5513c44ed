import { readArchive } from "../../../../src/tree/archive/read.ts";
import { printablePath } from "../../../../src/tree/name.ts";

/** What an archive holds, by path: type, mode and content, or the target of a link. */
export async function contentOf(path: string): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const item of (await readArchive(path)).items()) {
    const { type, mode, target } = item;
    let text = "";
    for await (const piece of item.content()) text += "data" in piece ? piece.data.toString() : `<${piece.hole}>`;
    const what = target ? `${type} -> ${printablePath(target)}` : `${type} ${mode.toString(8)}`;
    content[printablePath(item.path)] = type === "file" ? `${what} ${text}` : what;
  }
  return content;
}

/** What the fixtures named `tree` hold, which were made of one folder. */
export const fixtureTree = {
  ".": "directory 755",
  '"caf\\351"': "file 644 x",
  dir: "directory 755",
  "dir/link": "symlink -> ../gone",
  "dir/numbers": `file 644 ${Array.from({ length: 2000 }, (_, index) => `${index + 1}\n`).join("")}`,
  file: "file 640 hi\n",
  hard: "hard_link -> file",
};
