import { shell } from "../integration/tree/folder.ts";

/** What `debugfs` says about a file of an image. */
export function debugImage(imagePath: string, request: string): Promise<string> {
  return shell('debugfs -R "$2" "$1" 2>/dev/null', imagePath, request);
}

/** Names in a folder of an image with mode and owner: `sub 040755/0/0`. */
export async function listImage(imagePath: string, dir: string): Promise<string[]> {
  const lines = (await debugImage(imagePath, `ls -p ${dir}`)).split("/\n");
  const names = lines.map((line) => /^\n?\/\d+\/(\d+\/\d+\/\d+)\/(.*?)\/\d*$/s.exec(line));
  return names
    .flatMap((match) => (match ? [`${match[2]} ${match[1]}`] : []))
    .filter((name) => !/^\.{1,2} |^lost\+found /.test(name))
    .toSorted();
}

/** Fails when the file system is damaged. */
export async function checkImage(imagePath: string): Promise<void> {
  await shell('e2fsck -fn "$1"', imagePath);
}
