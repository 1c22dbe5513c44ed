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
  ["nothing like it", "a\nb\n", "zzz", "old_text is not there (Read"],
  ["a longer text than the file", "a\nb", "b\nc", "the nearest is line 2, after which the file ends"],
])("%s is told with the nearest place", (_what, content, oldText, said) => {
  expect(`${refusal(content, oldText, "new")} (Read`).toContain(said);
});

test("what is done already, empty or the same is refused as that", () => {
  expect(refusal("a\nnew\n", "old", "new")).toContain("new_text is, at line 2: already applied");
  expect(refusal("a", "", "b")).toContain("old_text is empty");
  expect(refusal("a", "a", "a")).toContain("the same");
});
