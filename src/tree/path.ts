/**
 * Linux's PATH_MAX without the NUL at its end, in bytes. It limits the text of a symbolic link too.
 */
export const maxPathBytes = 4095;
/** Linux's NAME_MAX in bytes */
const maxNameBytes = 255;

/**
 * A path as a key of a Map. It has one character for each byte, so no two paths have the same key.
 */
export function pathKey(path: Buffer): string {
  return path.toString("latin1");
}

/** The key of the folder that holds a path, `""` for the root; undefined for the root itself. */
export function parentKey(key: string): string | undefined {
  if (key === "") return undefined;
  return key.slice(0, Math.max(0, key.lastIndexOf("/")));
}

/** Why a path cannot be the path of an entry; undefined if it can. */
export function pathProblem(path: Buffer): string | undefined {
  if (path.length === 0) return undefined;
  if (path.includes(0)) return "its name has a zero byte in it";
  if (path.length > maxPathBytes) return `its path is longer than ${maxPathBytes} bytes`;
  const key = pathKey(path);
  if (key.startsWith("/")) return "its path is absolute";
  const names = key.split("/");
  if (names.includes("..")) return "its path has '..' in it";
  if (names.includes("") || names.includes(".")) return "its path has an empty name in it";
  if (names.some((name) => name.length > maxNameBytes)) {
    return `its path has a name of more than ${maxNameBytes} bytes`;
  }
  return undefined;
}

/** Why no symbolic link can have this target; undefined if one can. */
export function symlinkProblem(target: Buffer | undefined): string | undefined {
  if (!target || target.length === 0) return "it is a symbolic link to nothing";
  if (target.includes(0)) return "its target has a zero byte in it";
  if (target.length > maxPathBytes) return `its target is longer than ${maxPathBytes} bytes`;
  return undefined;
}
