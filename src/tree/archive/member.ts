import type { TreeEntry } from "../entry.ts";
import { printablePath } from "../name.ts";
import type { MemberHeader } from "./tar-file.ts";

/** A member of an archive as an entry of a tree. Devices are reported and left out. */
export type ArchiveEntry = Omit<TreeEntry, "type"> & {
  readonly type: TreeEntry["type"] | "fifo" | "character-device" | "block-device";
};

const types: Readonly<Record<string, ArchiveEntry["type"]>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "directory",
  symlink: "symlink",
  link: "hard_link",
  fifo: "fifo",
  "character-device": "character-device",
  "block-device": "block-device",
};

/** Name for messages. */
export function memberName(header: MemberHeader): string {
  return printablePath(nameBytes(header.pax?.["GNU.sparse.name"] ?? header.name, header.pax, "path"));
}

/** Whether holes are left out of the stored content, as GNU tar does in PAX records. */
export function isSparse({ pax }: MemberHeader): boolean {
  return Object.keys(pax ?? {}).some((key) => key.startsWith("GNU.sparse."));
}

/** Whether a name was lost. In PAX records tar-stream reads bytes that are not UTF-8 as U+FFFD. */
export function hasLostName({ pax }: MemberHeader): boolean {
  return [pax?.["path"], pax?.["linkpath"]].some((name) => name?.includes("\u{fffd}"));
}

/** Undefined for an unknown type. */
export function memberEntry(header: MemberHeader): ArchiveEntry | undefined {
  const stated = types[header.type ?? ""];
  if (!stated) return undefined;
  // Older tars mark a directory only by its name.
  const type = stated === "file" && header.name.endsWith("/") ? "directory" : stated;
  const path = normalized(nameBytes(header.name, header.pax, "path"));
  const size = type === "file" ? header.size : 0;
  const entry = { path, type, mode: header.mode & 0o7777, size, mtimeNs: modificationTime(header) };
  if (type !== "symlink" && type !== "hard_link") return entry;
  const target = nameBytes(header.linkname ?? "", header.pax, "linkpath");
  return { ...entry, target: type === "symlink" ? target : normalized(target) };
}

/**
 * Names in PAX records are UTF-8, which tar-stream decodes. Others have one character for each
 * byte.
 */
function nameBytes(name: string, pax: MemberHeader["pax"], record: "path" | "linkpath"): Buffer {
  const isText = pax?.[record] === name || pax?.["GNU.sparse.name"] === name;
  return Buffer.from(name, isText ? "utf8" : "latin1");
}

/** `./a//b/` as `a/b`. A path that leads out of the tree stays as it is. */
function normalized(path: Buffer): Buffer {
  const text = path.toString("latin1");
  const names = text.split("/").filter((name) => name !== "" && name !== ".");
  return Buffer.from((text.startsWith("/") ? "/" : "") + names.join("/"), "latin1");
}

/** Limit of a file system, above which an archive lies */
const maxSeconds = 2 ** 33;

function modificationTime({ mtime, pax }: MemberHeader): bigint {
  const [, sign = "", seconds = "", fraction = ""] = /^(-?)(\d{1,12})(?:\.(\d+))?$/.exec(pax?.["mtime"] ?? "") ?? [];
  const wholeSeconds = seconds === "" ? Math.trunc(mtime.getTime() / 1000) : Number(seconds);
  if (!(Math.abs(wholeSeconds) < maxSeconds)) return 0n;
  const nanoseconds = BigInt(wholeSeconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -nanoseconds : nanoseconds;
}
