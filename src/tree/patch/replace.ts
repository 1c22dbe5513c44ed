import { PyroError } from "../../core/errors.ts";
import { type NearPlace, nearestPlace } from "./place/nearest.ts";

/** A text to be found exactly, and what takes its place. */
export interface Replacement {
  readonly oldText: string;
  readonly newText: string;
  /** Whether it may be there several times; default: only once */
  readonly replaceAll: boolean;
}

export interface ReplacedText {
  readonly text: string;
  /** Lines of the old text at which the places begin, from 1 */
  readonly lines: readonly number[];
  /** How the replacement was changed to fit the file, in words */
  readonly adjusted: readonly string[];
}

const maxNamedLines = 20;

/**
 * Replaces a text by another. Fails with `failed_precondition` if it is not there, or several times
 * without `replaceAll`, and says where. `name` is the file's in messages.
 */
export function replaceText(name: string, content: string, wanted: Replacement): ReplacedText {
  const { replaceAll } = wanted;
  if (wanted.oldText === "") throw refused("invalid_argument", name, "old_text is empty", "Write a new file instead.");
  if (wanted.oldText === wanted.newText) throw refused("invalid_argument", name, "old_text and new_text are the same");
  const fitted = withLineEndsOf(content, wanted);
  const { oldText, newText } = fitted;
  // Without replaceAll, places that overlap are several places too.
  const places = placesOf(content, oldText, replaceAll ? oldText.length : 1);
  if (places.length === 0) throw notThere(name, content, fitted);
  const lines = linesAt(content, places);
  if (places.length > 1 && !replaceAll) throw severalTimes(name, lines);
  if (content.length + places.length * (newText.length - oldText.length) > maxResultChars) {
    throw refused("failed_precondition", name, `it would have more than ${maxResultChars} characters`);
  }
  const isFitted = oldText !== wanted.oldText || newText !== wanted.newText;
  return {
    text: content.split(oldText).join(newText),
    lines,
    adjusted: isFitted ? ["line ends to CRLF, which the file has"] : [],
  };
}

function placesOf(content: string, text: string, step: number): number[] {
  const places: number[] = [];
  for (let at = content.indexOf(text); at !== -1; at = content.indexOf(text, at + step)) places.push(at);
  return places;
}

/** The texts with the file's line ends, if those are CRLF. */
function withLineEndsOf(content: string, { oldText, newText }: Replacement): Omit<Replacement, "replaceAll"> {
  if (!content.includes("\r\n") || /(?<!\r)\n/.test(content)) return { oldText, newText };
  const toCrlf = (text: string) => text.replace(/(?<!\r)\n/g, "\r\n");
  return { oldText: toCrlf(oldText), newText: toCrlf(newText) };
}

/** Numbers of the lines of offsets, which ascend. */
function linesAt(content: string, places: readonly number[]): number[] {
  let [line, from] = [1, 0];
  return places.map((place) => {
    line += content.slice(from, place).split("\n").length - 1;
    from = place;
    return line;
  });
}

function severalTimes(name: string, lines: readonly number[]): PyroError {
  const shown = lines.slice(0, maxNamedLines).join(", ");
  const more = lines.length > maxNamedLines ? " …" : "";
  return refused(
    "failed_precondition",
    name,
    `old_text is there ${lines.length} times, at lines ${shown}${more}`,
    "Add lines around it to old_text until it is there once, or set replace_all.",
  );
}

function notThere(name: string, content: string, { oldText, newText }: Omit<Replacement, "replaceAll">): PyroError {
  const places = isTelling(newText) ? placesOf(content, newText, newText.length) : [];
  const applied = places.find((place) => isWholeLines(content, place, place + newText.length));
  if (applied !== undefined) {
    const [line] = linesAt(content, [applied]);
    return refused(
      "failed_precondition",
      name,
      `old_text is not there, and new_text is, at line ${line}: it is probably already applied`,
    );
  }
  const near = nearestPlace(content.split("\n"), oldText.split("\n"));
  const where = near === undefined ? "" : `; the nearest is line ${near.line}, ${differenceAt(near)}`;
  return refused(
    "failed_precondition",
    name,
    `old_text is not there${where}`,
    "Read the file, and copy old_text from it.",
  );
}

function differenceAt({ differentLine, difference }: NearPlace): string {
  return difference === null ? "after which the file ends" : `where line ${differentLine} is ${difference}`;
}

/** Whether a text is hardly somewhere by chance. */
function isTelling(text: string): boolean {
  return text.trim().length >= leastTellingChars;
}

/** Whether nothing but white space is beside a text. Otherwise it can be part of the old one. */
function isWholeLines(content: string, start: number, end: number): boolean {
  const before = content.slice(content.lastIndexOf("\n", start - 1) + 1, start);
  const feed = content.indexOf("\n", end - 1);
  return `${before}${content.slice(end, feed === -1 ? content.length : feed)}`.trim() === "";
}

/** Limit of what can be written at once */
const maxResultChars = 16 * 1024 * 1024;
const leastTellingChars = 12;

function refused(
  code: "invalid_argument" | "failed_precondition",
  name: string,
  reason: string,
  hint?: string,
): PyroError {
  return new PyroError(code, `cannot edit '${name}': ${reason}`, hint === undefined ? {} : { hint });
}
