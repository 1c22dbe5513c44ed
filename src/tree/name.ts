import { isUtf8 } from "node:buffer";

/**
 * How a name of any bytes is shown: in git's form, which is literal, or like a C string if the
 * literal form could not be read back.
 */

const escapes: Readonly<Record<string, string>> = {
  "\x07": "a",
  "\b": "b",
  "\t": "t",
  "\n": "n",
  "\v": "v",
  "\f": "f",
  "\r": "r",
  '"': '"',
  "\\": "\\",
};

const unescapes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(escapes).map(([character, letter]) => [letter, character]),
);

/** Controls, line ends and invisible format characters, such as those that turn text around */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** The longest path of Linux with every byte as an octal escape, and some space */
const maxQuotedLength = 20_000;

/**
 * A name as git prints it with core.quotePath=false, with control characters and bytes that are not
 * UTF-8 escaped too.
 */
export function quoteName(name: Buffer): string {
  // A character of latin1 is a byte, which an octal escape stands for.
  const encoding = isUtf8(name) ? "utf8" : "latin1";
  const special = encoding === "utf8" ? /[\p{Cc}"\\]/gu : /[\p{Cc}"\\\u0080-\u00ff]/gu;
  const text = name.toString(encoding);
  const escaped = text.replace(special, (character) => escapeCharacter(character, encoding));
  // git apply cannot read a folder that ends with a space unless it is quoted.
  return escaped === text && !text.includes(" /") ? text : `"${escaped}"`;
}

/**
 * A name for people and JSON: the name itself, or its quoted form if it is not UTF-8 or looks like
 * a quoted one.
 */
export function displayPath(name: Buffer): string {
  return !isUtf8(name) || name[0] === 0x22 ? quoteName(name) : name.toString();
}

/** A path for messages: on one line, with nothing in it that a terminal acts on. */
export function printablePath(path: Buffer): string {
  return path.length === 0 ? "." : oneLine(displayPath(path));
}

/** A displayed name for a terminal. A line break in it must not make two entries of one. */
export function oneLine(displayed: string): string {
  if (!unprintable.test(displayed)) return displayed;
  const isQuoted = displayed.startsWith('"');
  const special = new RegExp(isQuoted ? unprintable.source : `${unprintable.source}|["\\\\]`, "gu");
  const escaped = displayed.replace(special, (character) => escapeCharacter(character, "utf8"));
  return isQuoted ? escaped : `"${escaped}"`;
}

/** The quoted name at the start of `text`, and the rest; null if there is none. */
export function unquoteName(text: string): { readonly name: Buffer; readonly rest: string } | null {
  const match = /^"((?:[^"\\]|\\(?:[abtnvfr"\\]|[0-3][0-7]{2}))*)"/.exec(text.slice(0, maxQuotedLength));
  if (!match) return null;
  const [whole, body = ""] = match;
  const bytes = Buffer.from(body)
    .toString("latin1")
    .replace(/\\(?:([0-7]{3})|(.))/g, (_, octal: string | undefined, letter: string) =>
      octal === undefined ? (unescapes[letter] ?? letter) : String.fromCharCode(Number.parseInt(octal, 8)),
    );
  return { name: Buffer.from(bytes, "latin1"), rest: text.slice(whole.length) };
}

function escapeCharacter(character: string, encoding: "utf8" | "latin1"): string {
  const letter = escapes[character];
  if (letter !== undefined) return `\\${letter}`;
  return [...Buffer.from(character, encoding)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
