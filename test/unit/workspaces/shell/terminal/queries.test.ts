import { expect, test } from "vitest";
import { QueryFilter } from "../../../../../src/workspaces/shell/terminal/queries.ts";

const questions = [
  ...[
    "\x1b[6n",
    "\x1b[?6n",
    "\x1b[5n",
    "\x1b[c",
    "\x1b[0c",
    "\x1b[>c",
    "\x1b[=c",
    "\x1b[>0q",
    "\x1b[?2026$p",
    "\x1b[?u",
  ],
  ...["\x1b[14t", "\x1b]11;?\x07", "\x1b]10;?\x1b\\", "\x1b]4;5;?\x07", "\x1bP+q544e\x1b\\", "\x1bP$qm\x1b\\", "\x1bZ"],
];
const others = ["\x1b[31m", "\x1b[2J", "\x1b]0;title\x07", "\x1b]11;#112233\x07", "\x1b[?2004h", "\x1b[1;5H", "é\x1bM"];

test.each(questions)("a question %j is left out, wherever it is cut", (question) => {
  const text = `before${question}after`;
  for (let at = 0; at <= text.length; at++) {
    const filter = new QueryFilter();
    const passed = [text.slice(0, at), text.slice(at)].map((part) => filter.pass(Buffer.from(part)).toString());
    expect(passed.join("")).toBe("beforeafter");
  }
});

test.each(others)("other output %j stays, wherever it is cut", (text) => {
  const bytes = Buffer.from(`${text}x`);
  for (let at = 0; at <= bytes.length; at++) {
    const filter = new QueryFilter();
    expect(Buffer.concat([filter.pass(bytes.subarray(0, at)), filter.pass(bytes.subarray(at))])).toEqual(bytes);
  }
});
