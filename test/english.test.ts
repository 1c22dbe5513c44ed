import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("..", import.meta.url).pathname;

/** Longest line of a comment or of a page, in columns; code may be longer. */
const maxColumns = 100;

/** Words that hide the actor, or that the field does not use. */
const forbidden = /\b(?:whoever|whomever|somebody|anybody|nobody|everybody|shall|tenure)\b/gi;

/** Files with text that is not this project's own, or that a program has written */
const isExempt = (path: string) =>
  /(?:^|\/)(?:testdata|fixtures|__snapshots__)\/|^docs\/reference\/|^test\/english\.test\.ts$/.test(path);

interface Line {
  /** `path:number` */
  readonly place: string;
  readonly text: string;
}

const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" })
  .split("\0")
  .filter((path) => path !== "" && !isExempt(path));
const codePaths = tracked.filter((path) => /\.(?:ts|mts|js|mjs|go|sh)$/.test(path));
const pagePaths = tracked.filter((path) => path.endsWith(".md"));

function linesOf(path: string): Line[] {
  const text = readFileSync(root + path, "utf8");
  return text.split("\n").map((line, index) => ({ place: `${path}:${index + 1}`, text: line }));
}

/** Lines that are nothing but comment. */
function commentLines(path: string): Line[] {
  const isComment = path.endsWith(".sh") ? /^\s*#(?!!)/ : /^\s*(?:\/\/|\/?\*)/;
  return linesOf(path).filter(({ text }) => isComment.test(text));
}

/** Lines of a page that can be wrapped: no code, tables or headings, and no link or long span. */
function proseLines(path: string): Line[] {
  let isCode = false;
  return linesOf(path).filter(({ text }) => {
    if (/^\s*```/.test(text)) isCode = !isCode;
    return !isCode && !/^(?:\||#|\s{4}|<)/.test(text) && !/\]\(|https?:|^`[^`]+`$/.test(text);
  });
}

/** Columns of a line, with a tab as four, as the editor configuration has it. */
function columnsOf({ text }: Line): number {
  return [...text.replaceAll("\t", "    ")].length;
}

function tooLong(lines: readonly Line[]): string[] {
  return lines.filter((line) => columnsOf(line) > maxColumns).map(({ place, text }) => `${place}: ${text.trim()}`);
}

test("comments wrap at 100 columns", () => {
  const lines = codePaths.flatMap(commentLines);
  expect(lines.length).toBeGreaterThan(1_000);
  expect(tooLong(lines)).toEqual([]);
});

test("pages wrap at 100 columns", () => {
  const lines = pagePaths.flatMap(proseLines);
  expect(lines.length).toBeGreaterThan(500);
  expect(tooLong(lines)).toEqual([]);
});

test("names, comments, messages and pages are without the forbidden words", () => {
  const lines = [...codePaths, ...pagePaths].flatMap(linesOf);
  expect(lines.length).toBeGreaterThan(10_000);
  const found = lines.flatMap(({ place, text }) => [...text.matchAll(forbidden)].map(([word]) => `${place}: ${word}`));
  expect(found).toEqual([]);
});
