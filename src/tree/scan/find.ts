import { pseudoFileSystems } from "../../host/named/pseudo.ts";
import type { SkippedEntry } from "../entry.ts";
import { printablePath } from "../name.ts";

/** A file as `find` reports it. Texts have one character for each byte. */
export interface FoundFile {
  /** As in `find -type`: f, d, l, p, s, b, c */
  readonly kind: string;
  /** Whether this user cannot read or enter it. Nothing in such a folder is listed */
  readonly isForbidden: boolean;
  /** Pseudo file system of a folder, if it is in one. Nothing in such a folder is listed */
  readonly pseudoFileSystem: string | undefined;
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Seconds as text, because a number would lose digits */
  readonly changeTime: string;
  readonly inode: string;
  /** Device and inode, which hard links share */
  readonly identity: string;
  readonly links: number;
  /** Disk space of the content in `bytes`; less than the size for a sparse file */
  readonly storedBytes: number;
  readonly path: string;
  readonly target: string;
}

/**
 * `path` is find's format for a path: `%P`, relative to the start, or `%p`, as given. The comma
 * continues with the second half in any case. `x` marks unreadable files, `m` and a slash
 * folders in a pseudo file system, such as the /proc of a tree that a system runs in.
 */
export function findExpression(path: "%P" | "%p"): readonly string[] {
  return [
    "(",
    ...["-type", "d", "(", ...pseudoFileSystems.flatMap((name) => ["-o", "-fstype", name]).slice(1), ")"],
    ...["-printf", "m%F/", "-prune"],
    "-o",
    ...["-type", "d", "!", "(", "-readable", "-executable", ")", "-printf", "x", "-prune"],
    "-o",
    ...["-type", "f", "!", "-readable", "-printf", "x"],
    ")",
    ",",
    ...["-printf", `%y %m %s %T@ %C@ %i %D %n %b\\0${path}\\0%l\\0`],
  ];
}

const fieldsPerFile = 3;

/** Parses the output of `find`, in any pieces. */
export class FindParser {
  #unfinished = "";
  #fields: string[] = [];
  readonly #onFile: (file: FoundFile) => void;

  constructor(onFile: (file: FoundFile) => void) {
    this.#onFile = onFile;
  }

  add(piece: Buffer): void {
    this.#fields.push(...(this.#unfinished + piece.toString("latin1")).split("\0"));
    this.#unfinished = this.#fields.pop() ?? "";
    const complete = this.#fields.length - (this.#fields.length % fieldsPerFile);
    for (let start = 0; start < complete; start += fieldsPerFile) {
      const [facts = "", path = "", target = ""] = this.#fields.slice(start, start + fieldsPerFile);
      this.#onFile(parseFile(facts, path, target));
    }
    this.#fields = this.#fields.slice(complete);
  }
}

function parseFile(facts: string, path: string, target: string): FoundFile {
  const [type = "", mode = "", size, mtime = "", changeTime = "", inode = "", device, links, blocks] = facts.split(" ");
  return {
    kind: type.at(-1) ?? "",
    isForbidden: type.startsWith("x"),
    pseudoFileSystem: /^m(.*)\//.exec(type)?.[1],
    mode: Number.parseInt(mode, 8),
    size: Number(size),
    mtimeNs: parseTime(mtime),
    changeTime,
    inode,
    path,
    target,
    identity: `${device}:${inode}`,
    links: Number(links),
    storedBytes: Number(blocks) * 512,
  };
}

/**
 * The fraction counts upwards before 1970 too: `find` prints `-6.7500000000` for 5.25 s before it.
 */
function parseTime(text: string): bigint {
  const [seconds = "0", fraction = ""] = text.split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/**
 * Paths that `find` could not look at; undefined for any other complaint. A path that vanished
 * meanwhile is no failure.
 */
export function findErrors(stderr: string): SkippedEntry[] | undefined {
  const skipped: SkippedEntry[] = [];
  for (const line of stderr.split("\n").filter(Boolean)) {
    const [, path, reason] = /^find: '(.*)': (.+)$/.exec(line) ?? [];
    if (path === undefined || reason === undefined) return undefined;
    if (reason !== "No such file or directory") {
      skipped.push({ path: printablePath(Buffer.from(path)), reason: reason.toLowerCase() });
    }
  }
  return skipped;
}
