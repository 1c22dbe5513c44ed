import { beginningOf, fitting } from "../../core/shorten.ts";

/** Shorter forms of a result, for clients that show their model only one of the two. */

type Fields = Readonly<Record<string, unknown>>;

const maxLineChars = 120;
const maxTextChars = 100;
const maxListChars = 200;

/** A result as text, for a client that shows the structured content. */
export function firstLineOf(text: string): string {
  if (text.length <= maxTextChars) return text;
  const [line = ""] = text.split("\n", 1);
  return `${beginningOf(line, maxLineChars)}\n[The structured content has the whole result.]`;
}

/** Values that say nothing: a field is left out while it has this one. */
const usual: Fields = {
  running: false,
  timed_out: false,
  oom_killed: false,
  cancelled: false,
  stdout_encoding: "utf-8",
  stderr_encoding: "utf-8",
  stdout_offset: 0,
  stderr_offset: 0,
};

/** Fields whose content has the user's names, not pyro's */
const ownNames: ReadonlySet<string> = new Set(["labels"]);

/** Fields in which null says something: there is no exit code yet, or nothing to read on */
const nullSays = /^(?:exit_code|(?:\w+_)?next_offset)$/;

/**
 * Structured content, for the model that sees it, without fields that say nothing: null, mostly,
 * and the usual values.
 */
export function withoutUsual(value: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => (field === null ? nullSays.test(name) : field !== usual[name]))
      .filter(([name, field]) => !isLengthShown(value, name, field))
      .map(([name, field]) => [name, ownNames.has(name) ? field : shorter(field)]),
  );
}

function shorter(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shorter);
  return isFields(value) ? withoutUsual(value) : value;
}

/** Whether a field is the length of an output that is there as a whole. */
function isLengthShown(value: Fields, name: string, field: unknown): boolean {
  const output = value[name.replace(/_bytes$/, "")];
  return name.endsWith("_bytes") && typeof output === "string" && Buffer.byteLength(output) === field;
}

/**
 * Structured content, for a client that shows the text: what is short, the beginning of what is
 * long, and in `excerpt` how much of it that is.
 */
export function excerptOf(value: Fields): Record<string, unknown> {
  const cuts: string[] = [];
  const fields = excerptFields(value, "", cuts);
  return cuts.length === 0 ? fields : { ...fields, excerpt: cuts };
}

function excerptFields(value: Fields, path: string, cuts: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => field !== null || nullSays.test(name))
      .map(([name, field]) => [name, excerptField(field, `${path}${name}`, cuts)]),
  );
}

function excerptField(value: unknown, path: string, cuts: string[]): unknown {
  if (typeof value === "string" && value.length > maxTextChars) {
    const beginning = beginningOf(value, maxTextChars);
    cuts.push(`${path}: ${beginning.length} of ${value.length} characters`);
    return beginning;
  }
  if (Array.isArray(value)) {
    const first = fitting(value, maxListChars);
    if (first.length < value.length) cuts.push(`${path}: ${first.length} of ${value.length}`);
    return first;
  }
  return isFields(value) ? excerptFields(value, `${path}.`, cuts) : value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
