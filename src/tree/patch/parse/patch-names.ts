import { workspacePath } from "../../../core/workspace-path.ts";
import { displayPath, unquoteName } from "../../name.ts";

/** Names of the two sides of a patch; null for /dev/null. */
export interface NamePair {
  readonly old: Buffer | null;
  readonly new: Buffer | null;
}

const slash = 0x2f;
/** A timestamp of GNU diff has 35, and some space can be before it */
const maxTimestampChars = 60;

/** The name after `--- ` or `+++ `, and the timestamp after it; null if its quoting is wrong. */
export function readSideName(text: string): { readonly name: Buffer | null; readonly timestamp: string } | null {
  if (text.startsWith('"')) {
    const quoted = unquoteName(text);
    return quoted && { name: quoted.name, timestamp: quoted.rest.trim() };
  }
  const [name, timestamp] = splitTimestamp(text);
  return { name: name === "/dev/null" ? null : Buffer.from(name), timestamp };
}

/**
 * GNU diff puts a tab before the timestamp, which is a space after a copy from a terminal. Without
 * a timestamp a tab ends a name that has spaces in it.
 */
function splitTimestamp(text: string): readonly [string, string] {
  const end = text.slice(-maxTimestampChars);
  const match = /(?:\t| +)(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: [+-]\d\d:?\d\d)?)$/.exec(end);
  if (match && match[0].length < text.length) return [text.slice(0, -match[0].length), match[1] ?? ""];
  const [name = "", timestamp = ""] = text.split("\t");
  return [name, timestamp];
}

/** All of `text` as one name, quoted or not; null if its quoting is wrong. */
export function readWholeName(text: string): Buffer | null {
  if (!text.startsWith('"')) return Buffer.from(text);
  const quoted = unquoteName(text);
  return quoted?.rest === "" ? quoted.name : null;
}

/**
 * The names of `diff --git a/x b/x`; null if the end of the first one is unclear, as in a rename.
 */
export function readTitleNames(text: string): NamePair | null {
  if (text.startsWith('"')) {
    const first = unquoteName(text);
    const second = first?.rest.startsWith(" ") ? readWholeName(first.rest.slice(1)) : null;
    return first && second && { old: first.name, new: second };
  }
  if (text.endsWith('"')) {
    const split = text.indexOf(' "');
    const second = split === -1 ? null : readWholeName(text.slice(split + 1));
    return second && { old: Buffer.from(text.slice(0, split)), new: second };
  }
  // Both sides have the same name after prefixes of the same length, so the space between them is
  // in the middle.
  const middle = (text.length - 1) / 2;
  const [old, next] = [text.slice(0, middle), text.slice(middle + 1)];
  if (text[middle] !== " ") return null;
  const pair = { old: Buffer.from(old), new: Buffer.from(next) };
  return old === next || tail(pair.old)?.equals(tail(pair.new) ?? pair.new) ? pair : null;
}

/**
 * Removes one leading folder, such as a/ and b/, if both sides have one and it is not part of their
 * common name.
 */
export function withoutPrefixes(names: NamePair): NamePair {
  const { old, new: next } = names;
  if (!old || !next) return { old: old && withoutPrefix(old, "a/"), new: next && withoutPrefix(next, "b/") };
  const [oldTail, newTail] = [tail(old), tail(next)];
  if (!oldTail || !newTail || old.equals(next)) return names;
  const arePrefixed = oldTail.equals(newTail) || (hasPrefix(old, "a/") && hasPrefix(next, "b/"));
  return arePrefixed ? { old: oldTail, new: newTail } : names;
}

/** Whether a name as it is written is `path`, with or without a leading folder. */
export function isWrittenAs(written: Buffer, path: Buffer): boolean {
  const isPath = (name: Buffer | null) => name !== null && checkedPath(name).path.equals(path);
  // The other names of the file can lack the slash of an absolute one.
  return isPath(written) || isPath(tail(written)) || (written[0] === slash && isPath(written.subarray(1)));
}

/** A path as the workspace has it. */
export interface CheckedPath {
  readonly path: Buffer;
  /** That it was written otherwise, in words; empty if it was not */
  readonly adjusted: readonly string[];
  /** Why it cannot be the path of a file in the workspace; null if it can */
  readonly problem: string | null;
}

/** The path that a name means, which can be absolute in the workspace's folder. */
export function checkedPath(name: Buffer): CheckedPath {
  const absolute = `${workspacePath}/`;
  const isAbsolute = hasPrefix(name, absolute);
  const path = withoutPrefix(isAbsolute ? name.subarray(absolute.length) : name, "./");
  const adjusted = isAbsolute ? [`'${displayPath(name)}' read as '${displayPath(path)}'`] : [];
  return { path, adjusted, problem: explainBadName(path) };
}

function explainBadName(name: Buffer): string | null {
  if (name.length === 0) return "the name of the file is empty";
  const quoted = `'${displayPath(name)}'`;
  if (name[0] === slash) return `${quoted} is an absolute path, it must be in ${workspacePath} or relative to it`;
  if (name.includes(0)) return `${quoted} has a NUL in it`;
  const parts = name.toString("latin1").split("/");
  return parts.some((part) => part === "" || part === "." || part === "..")
    ? `${quoted} has an empty part, '.' or '..' in it`
    : null;
}

function withoutPrefix(name: Buffer, prefix: string): Buffer {
  return hasPrefix(name, prefix) ? name.subarray(prefix.length) : name;
}

function hasPrefix(name: Buffer, prefix: string): boolean {
  return name.length > prefix.length && name.subarray(0, prefix.length).equals(Buffer.from(prefix));
}

/** The name after the first folder; null if there is none. */
function tail(name: Buffer): Buffer | null {
  const end = name.indexOf(slash);
  return end <= 0 || end === name.length - 1 ? null : name.subarray(end + 1);
}
