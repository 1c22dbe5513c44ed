/** Linux's PATH_MAX without the NUL at its end, in `bytes` */
const maxPathBytes = 4095;

/** Why a text cannot be a path of this host; undefined if it can. */
export function hostPathProblem(path: string): string | undefined {
  if (path.includes("\0")) return "it has a NUL character in it";
  if (Buffer.byteLength(path) > maxPathBytes) return `it is longer than ${maxPathBytes} bytes`;
  // Node would write U+FFFD in its place, which names another file.
  if (/\p{Surrogate}/u.test(path)) return "it has half of a surrogate pair in it";
  return undefined;
}

/** A path for messages, which quote at most its beginning. */
export function shownPath(path: string): string {
  const shown = path.replaceAll("\0", "\\0");
  return shown.length <= maxShownChars ? shown : `${shown.slice(0, maxShownChars)}…`;
}

const maxShownChars = 200;
