import { printablePath, type SkippedEntry } from "../entry.ts";

/** What `find` tells of a file; texts have one character for each byte. */
export interface FoundFile {
  /** As in `find -type`: f, d, l, p, s, b, c */
  readonly kind: string;
  /** Whether we may not read it, or not enter it; nothing in such a folder is listed */
  readonly isForbidden: boolean;
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Seconds, as text: a number would lose digits */
  readonly changeTime: string;
  readonly inode: string;
  /** Device and inode: what hard links have in common */
  readonly identity: string;
  readonly links: number;
  /** What the content takes on its disk; less than its size for a sparse file */
  readonly storedBytes: number;
  readonly path: string;
  readonly target: string;
}

/**
 * `path` is how `find` is to print a path: `%P`, from where it began to look, or `%p`, as it was
 * given. The comma goes on to the second half in any case; `x` marks what we may not read.
 */
export function findExpression(path: "%P" | "%p"): readonly string[] {
  return [
    "(",
    ...["-type", "d", "!", "(", "-readable", "-executable", ")", "-printf", "x", "-prune"],
    "-o",
    ...["-type", "f", "!", "-readable", "-printf", "x"],
    ")",
    ",",
    ...["-printf", `%y %m %s %T@ %C@ %i %D %n %b\\0${path}\\0%l\\0`],
  ];
}

const fieldsPerFile = 3;

/** Makes files of the pieces that `find` writes, wherever they are cut. */
export class FindParser {
  private unfinished = "";
  private fields: string[] = [];
  private readonly onFile: (file: FoundFile) => void;

  constructor(onFile: (file: FoundFile) => void) {
    this.onFile = onFile;
  }

  add(piece: Buffer): void {
    this.fields.push(...(this.unfinished + piece.toString("latin1")).split("\0"));
    this.unfinished = this.fields.pop() ?? "";
    const complete = this.fields.length - (this.fields.length % fieldsPerFile);
    for (let start = 0; start < complete; start += fieldsPerFile) {
      const [facts = "", path = "", target = ""] = this.fields.slice(start, start + fieldsPerFile);
      this.onFile(parseFile(facts, path, target));
    }
    this.fields = this.fields.slice(complete);
  }
}

function parseFile(facts: string, path: string, target: string): FoundFile {
  const [type = "", mode = "", size, mtime = "", changeTime = "", inode = "", device, links, blocks] = facts.split(" ");
  return {
    kind: type.at(-1) ?? "",
    isForbidden: type.startsWith("x"),
    mode: Number.parseInt(mode, 8),
    size: Number(size),
    mtimeNs: parseTime(mtime),
    ...{ changeTime, inode, path, target },
    identity: `${device}:${inode}`,
    links: Number(links),
    storedBytes: Number(blocks) * 512,
  };
}

/**
 * The fraction counts upwards before 1970 too: `-6.7500000000` is what `find` prints for 5.25 s
 * before it.
 */
function parseTime(text: string): bigint {
  const [seconds = "0", fraction = ""] = text.split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/**
 * What `find` could not look at; undefined when it says something else. What went away meanwhile is
 * no failure.
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
