import { isUtf8 } from "node:buffer";

/** Names in git's form: as they are, or like a string of C when that could not be read back. */

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

/** The longest path of Linux with every byte as an octal escape, and some room */
const maxQuotedLength = 20_000;

/**
 * As git prints it with core.quotePath=false, but what is not UTF-8 and every control character is
 * escaped too.
 */
export function quoteName(name: Buffer): string {
  // A character of latin1 is a byte, which is what an octal escape stands for.
  const encoding = isUtf8(name) ? "utf8" : "latin1";
  const special = encoding === "utf8" ? /[\p{Cc}"\\]/gu : /[\p{Cc}"\\\u0080-\u00ff]/gu;
  const text = name.toString(encoding);
  const escaped = text.replace(special, (character) => escapeCharacter(character, encoding));
  // git apply cannot read a folder that ends with a space, unless it is quoted.
  return escaped === text && !text.includes(" /") ? text : `"${escaped}"`;
}

/**
 * For people and JSON: the name itself, or its quoted form if it is not UTF-8 or could be taken for
 * a quoted one.
 */
export function displayPath(name: Buffer): string {
  return !isUtf8(name) || name[0] === 0x22 ? quoteName(name) : name.toString();
}

/** The quoted name that `text` begins with, and what follows it; null when there is none. */
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
