import { expect, test } from "vitest";
import { replaceText } from "../../../../src/tree/patch/replace.ts";

const replace = (content: string, oldText: string, newText: string, replaceAll = false) =>
  replaceText("/workspace/f", content, { oldText, newText, replaceAll });

function refusal(...args: Parameters<typeof replace>): string {
  try {
    replace(...args);
  } catch (error) {
    return String(error);
  }
  return "";
}

test("a text that is there once is replaced, whatever is in it", () => {
  expect(replace("a\nb\nc\n", "b\n", "$& $1 \\n\n")).toEqual({ text: "a\n$& $1 \\n\nc\n", lines: [2], adjusted: [] });
  expect(replace("only", "only", "")).toMatchObject({ text: "" });
  expect(replace("x = 1\ny = 1\n", "\ny = 1", "\ny = 2")).toMatchObject({ text: "x = 1\ny = 2\n", lines: [1] });
});

test("all places are replaced only if that is asked for", () => {
  expect(replace("a b\na\nb a", "a", "aa", true)).toEqual({ text: "aa b\naa\nb aa", lines: [1, 2, 3], adjusted: [] });
  expect(refusal("a b\na\nb a", "a", "aa")).toContain("old_text is there 3 times, at lines 1, 2, 3");
});

test("places that overlap are several, unless all are replaced", () => {
  expect(refusal("aaa", "aa", "b")).toContain("2 times, at lines 1, 1");
  expect(refusal("}\n}\n}\n", "}\n}\n", "x")).toContain("2 times, at lines 1, 2");
  expect(replace("aaaa", "aa", "b", true)).toMatchObject({ text: "bb", lines: [1, 1] });
});

test("a result that is too large is refused before it is made", () => {
  const many = "a".repeat(1024 * 1024);
  expect(refusal(many, "a", many, true)).toContain("it would have more than 16777216 characters");
});

test("what a file with CRLF gets has CRLF too", () => {
  expect(replace("a\r\nb\r\n", "b", "b\nc")).toMatchObject({ text: "a\r\nb\r\nc\r\n" });
  expect(replace("a\r\nb\r\n", "b", "c")).toMatchObject({ text: "a\r\nc\r\n", adjusted: [] });
});

test("a file keeps its CRLF line ends", () => {
  const edited = replace("one\r\ntwo\r\nthree\r\n", "one\ntwo\n", "1\n2\n");
  expect(edited).toEqual({
    text: "1\r\n2\r\nthree\r\n",
    lines: [1],
    adjusted: ["line ends to CRLF, which the file has"],
  });
  expect(refusal("one\r\ntwo\nthree\n", "one\ntwo\n", "x")).toContain("old_text is not there");
});

test.each([
  [
    "white space that differs",
    "if x:\n\treturn 1\n",
    "if x:\n    return 1\n",
    'line 2 is "\\treturn 1" and not "    return 1"',
  ],
  ["a line that differs", "a\nb\nc\nd\n", "b\nX\nd", 'the nearest is line 2, where line 3 is "c" and not "X"'],
  [
    "a long line that differs late",
    `${"x".repeat(500)}A\nend\n`,
    `${"x".repeat(500)}B\nend`,
    `from character 461 "${"x".repeat(40)}A" and not "${"x".repeat(40)}B"`,
  ],
  ["nothing like it", "a\nb\n", "zzz", "old_text is not there (Read"],
  ["a line without its spaces", "a\nreturn x - 1\n", "  return x-1", 'line 2, where line 2 is "return x - 1"'],
  ["a line that is alike", "a\nreturn total - 1\n", "return totals-2", 'line 2, where line 2 is "return total - 1"'],
  ["a longer text than the file", "a\nb", "b\nc", "the nearest is line 2, after which the file ends"],
])("%s is told with the nearest place", (_what, content, oldText, said) => {
  expect(`${refusal(content, oldText, "new")} (Read`).toContain(said);
});

test("what is done already, empty or the same is refused as that", () => {
  const done = refusal("a\nlimit = 10_000\n", "limit = 1_000", "limit = 10_000");
  expect(done).toContain("new_text is, at line 2: it is probably already applied");
  expect(refusal("return true\n", "x = foo(1)", "true")).not.toContain("already applied");
  expect(refusal("  return sum(x) - 1\n", "return sum(x)-1", "return sum(x)")).not.toContain("already applied");
  expect(refusal("a", "", "b")).toContain("old_text is empty");
  expect(refusal("a", "a", "a")).toContain("the same");
});
