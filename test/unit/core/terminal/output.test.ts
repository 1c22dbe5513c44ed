import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TerminalOutput } from "../../../../src/core/terminal/output.ts";
import { cargoBuild, dockerPull, npmInstall, pipInstall } from "./progress.ts";

const plenty = 1_000_000;

function resultOf(output: string | Buffer, maxChars = plenty) {
  const terminal = new TerminalOutput(maxChars);
  terminal.add(Buffer.from(output as string));
  terminal.end();
  return terminal.result();
}

const shown = (output: string | Buffer, maxChars = plenty) => resultOf(output, maxChars).text;

describe("a terminal is left with", () => {
  test.each<[what: string, output: string, text: string]>([
    ["text as it is", "one\n\n  two\tthree \nfour", "one\n\n  two\tthree \nfour"],
    ["line ends of DOS as line ends", "one\r\ntwo\r\n", "one\ntwo\n"],
    ["the last of what was overwritten", "10%\r20%\r100%\n", "100%\n"],
    ["the end of a longer line that was not", "Downloading\rDone\n", "Doneloading\n"],
    ["nothing of a line that was erased", "Downloading\r\x1b[KDone\n", "Done\n"],
    ["nothing of a line that was overwritten with spaces", "busy\r    \rDone\n", "Done\n"],
    ["what is left of a cursor that erases to its left", "abcdef\x1b[3D\x1b[1Kx\n", "   xef\n"],
    ["nothing of a line erased as a whole", "abc\x1b[2K\x1b[1Gx\n", "x\n"],
    ["a spinner's place", "wait |\b/\b-\b\\\b done\n", "wait  done\n"],
    ["lines that a cursor came back to", "a: 1\nb: 1\n\x1b[2Aa: 2\n\x1b[Bend\n", "a: 2\nb: 1\nend\n"],
    ["lines by number of rows", "a\nb\nc\n\x1b[3FA\x1b[2E!\n", "A\nb\n!\n"],
    ["no lines below an erased screen", "a\nb\nc\n\x1b[2A\x1b[Jd\n", "a\nd\n"],
    ["the last frame of a screen", "\x1b[2J\x1b[Hone\ntwo\x1b[H\x1b[2Jthree\n", "three\n"],
    ["the last frame of a screen at its beginning", "\x1bcone\ntwo\n\x1bcthree\n", "three\n"],
    ["places of a screen", "\x1b[1;3Hx\x1b[2;1Hy\n", "  x\ny\n"],
    ["saved places", "abc\x1b7def\x1b8X\n", "abcXef\n"],
    ["text without colors", "\x1b[1;31mred\x1b[0m \x1b[38;5;2mgreen\x1b[m\n", "red green\n"],
    ["no titles", "\x1b]0;title\x07a\x1b]2;title\x1b\\b\n", "ab\n"],
    ["the text of a link", "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\\n", "link\n"],
    ["a line behind a title without an end", "\x1b]0;title\nnext\n", "\nnext\n"],
    ["no other escapes", "\x1bP+q544e\x1b\\\x1b(Ba\x1b[?25l\x1b[?2004hb\x1b=\x1b[6n\n", "ab\n"],
    ["what was there before an editor", "before\n\x1b[?1049h~\n~\nfile\x1b[?1049lafter\n", "before\nafter\n"],
    ["an editor that is still there", "before\n\x1b[?1049h\x1b[Hfile\n", "before\n\nfile\n"],
    ["characters that were taken out", "abcdef\x1b[4D\x1b[2P\n", "abef\n"],
    ["characters that were put in", "abef\x1b[2D\x1b[2@cd\n", "abcdef\n"],
    ["whole wide characters", "文文文\r\x1b[2Cx\n", "文x 文\n"],
    ["no halves of them", "文文\r\x1b[Cx\n", " x文\n"],
    ["whole surrogate pairs", "🙂🙂\r🙃\n", "🙃🙂\n"],
    ["accents with their letters", "e\u0301e\u0301\rE\u0301\n", "E\u0301e\u0301\n"],
    ["a line no longer than a screen for a cursor far to the right", "\x1b[999999999Cx\n", `${" ".repeat(79)}x\n`],
    ["a status at the right edge", "\x1b[999C\x1b[5D[ OK ]\rStarting\n", `Starting${" ".repeat(66)}[ OK ]\n`],
    ["the last of two bars", "A  0%\nB  0%\x1b[A\rA 50%\n\rB 10%\x1b[A\rA100%\n\rB100%\n", "A100%\nB100%\n"],
    ["bells and shifts as nothing", "a\x07b\x0e\x0fc\n", "abc\n"],
    ["a tab over text as a place", "a\tb\rx\ty\n", "x\ty\n"],
  ])("%s", (_what, output, text) => {
    expect(shown(output)).toBe(text);
    expect(resultOf(output).isCut).toBe(false);
  });
});

test.each([
  ["pip", pipInstall],
  ["npm", npmInstall],
  ["cargo", cargoBuild],
  ["docker", dockerPull],
])("60 KB of progress of %s are less than 2 KB", (_name, makeLog) => {
  const { output, ends } = makeLog(60 * 1024);
  expect(Buffer.byteLength(output)).toBeGreaterThanOrEqual(60 * 1024);
  const { text, isCut } = resultOf(output);
  expect(text.length).toBeLessThan(2_000);
  for (const line of ends) expect(text).toContain(line);
  expect(isCut).toBe(false);
});

const pieces = fc.array(
  fc.oneof(
    fc.constantFrom(..."\r\n\b\t\u0007", "\r\n", "文", "e\u0301", "🙂", "\u0000", "x".repeat(3_000)),
    fc.constantFrom(..."ABCDGHJKPX@dsu", "E", "F").chain((name) => fc.nat(12).map((count) => `\x1b[${count}${name}`)),
    fc.constantFrom(
      "\x1b7",
      "\x1b8",
      "\x1bM",
      "\x1bc",
      "\x1b[?1049h",
      "\x1b[?1049l",
      "\x1b]0;t\x07",
      "\x1b[3;4H",
      "\x1b[",
    ),
    fc.string({ maxLength: 12 }),
  ),
  { maxLength: 60 },
);

test("how output is cut into chunks makes no difference", () => {
  const output = fc.oneof(
    pieces.map((parts) => Buffer.from(parts.join(""))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(output, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (bytes, lengths) => {
      const chunked = new TerminalOutput(plenty);
      for (let at = 0, index = 0; at < bytes.length; index += 1) {
        const length = lengths[index % lengths.length] ?? 1;
        chunked.add(bytes.subarray(at, at + length));
        at += length;
      }
      chunked.end();
      expect(chunked.result()).toEqual(resultOf(bytes));
      expect(chunked.totalBytes).toBe(bytes.length);
    }),
    { numRuns: 500 },
  );
});

test("text without control characters is unchanged", () => {
  const character = fc.oneof(
    fc.constantFrom("\n", "\t", " "),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
  );
  const text = fc.array(character, { maxLength: 2_000 }).map((all) => all.join("").replace(/(?![\n\t])\p{Cc}/gu, ""));
  fc.assert(
    fc.property(text, (output) => {
      expect(resultOf(output)).toEqual({ text: output, isCut: false });
    }),
  );
});

test("thousands of lines are what they were", () => {
  const lines = Array.from({ length: 5_000 }, (_, index) => `line ${index}\n`).join("");
  expect(shown(lines)).toBe(lines);
});

describe("a very long line", () => {
  test("is shown with both ends, and how much is between them", () => {
    const { text, isCut } = resultOf(`before\n${"a".repeat(999_999)}z\nafter\n`);
    expect(text).toBe(
      `before\n${"a".repeat(2_048)}… [996,928 more characters of this line] …${"a".repeat(1_023)}z\nafter\n`,
    );
    expect(isCut).toBe(true);
  });

  test("keeps surrogate pairs whole, and counts each as one character", () => {
    const text = shown(`a${"🙂".repeat(100_000)}`);
    const [, head = "", more, tail = ""] = /^(.*)… \[([\d,]+) more characters of this line\] …(.*)$/.exec(text) ?? [];
    expect(head).toBe(`a${"🙂".repeat(1_023)}`);
    expect(tail).toBe("🙂".repeat(512));
    expect(more).toBe((100_000 - 1_023 - 512).toLocaleString("en"));
  });

  test("is forgotten when it is overwritten", () => {
    expect(shown(`${"a".repeat(10_000)}\r\x1b[Kshort\n`)).toBe("short\n");
  });
});

describe("bytes that are not text", () => {
  test("are escaped in lines that are", () => {
    const output = Buffer.concat([Buffer.from("caf"), Buffer.from([0xe9]), Buffer.from(" is ready\nnul \0 too\n")]);
    expect(resultOf(output)).toEqual({ text: "caf\\xe9 is ready\nnul \\x00 too\n", isCut: false });
  });

  test("leave lines beside them readable", () => {
    const binary = Buffer.from(Array.from({ length: 300 }, (_, index) => 128 + (index % 64)));
    const text = "a line of text that is long enough\n";
    const output = Buffer.concat([
      Buffer.from(text.repeat(30)),
      binary,
      Buffer.from("\n"),
      Buffer.from(text.repeat(30)),
    ]);
    const { text: readable, isCut } = resultOf(output);
    expect(readable).toBe(
      `${text.repeat(30)}[about 301 bytes that are not text: xxd or base64 shows them]\n${text.repeat(30)}`,
    );
    expect(isCut).toBe(true);
  });

  test("are one line where they are most of the output, between the lines that can be read", () => {
    const binary = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 256));
    expect(shown(binary)).toBe("[100000 bytes that are not text: xxd or base64 shows them]\n");
    const output = Buffer.concat([Buffer.from("begin\n"), binary, Buffer.from("\nend\n")]);
    const about = /^begin\n\[about (\d+) bytes that are not text: xxd or base64 shows them\]\n/;
    for (const maxChars of [plenty, 1_000]) {
      const text = shown(output, maxChars);
      expect(text).toMatch(about);
      expect(text.endsWith("\nend\n")).toBe(true);
      expect(text.length).toBeLessThan(400);
    }
  });
});

test("of many lines the first and the last are shown, and how much is between them", () => {
  const line = (index: number) => `line ${String(index).padStart(6, "0")}\n`;
  const output = Array.from({ length: 100_000 }, (_, index) => line(index)).join("");
  const { text, isCut } = resultOf(output, 1_200);
  expect(isCut).toBe(true);
  const [head = "", bytes, tail = ""] = text.split(/\[… (\d+) bytes left out …\]\n/);
  expect(head.length + tail.length + Number(bytes)).toBe(output.length);
  expect(output.startsWith(head)).toBe(true);
  expect(output.endsWith(tail)).toBe(true);
  expect(text.length).toBeLessThan(1_300);
});

const hostile: readonly [what: string, chunk: string][] = [
  ["carriage returns", "\r".repeat(100_000)],
  ["far cursors", "\x1b[999999999C\x1b[999999999Bx".repeat(3_000)],
  ["a line without an end", "x".repeat(100_000)],
  ["overwriting of a long line", `${"x".repeat(4_000)}\r${"文\b".repeat(10_000)}`],
  ["erasing of a long line", `${"x".repeat(4_000)}${"\b\x1b[1K".repeat(5_000)}`],
  ["insertions", `${"x".repeat(4_000)}\r${"\x1b[9999@".repeat(5_000)}`],
  ["joined characters", "\u0301".repeat(50_000)],
  ["a title without an end", `\x1b]0;${"x".repeat(100_000)}`],
  ["numbers without an end", `\x1b[${"9;".repeat(50_000)}`],
  ["screens in screens", "\x1b[?1049h\n".repeat(10_000)],
  ["tabs", `${"\t".repeat(50_000)}\rx\n`],
  ["spaces", `x\r${" ".repeat(50_000)}y\b \n`],
];

test.each(hostile)(
  "%s end as a short text, soon",
  (_what, chunk) => {
    const terminal = new TerminalOutput(40_000);
    const bytes = Buffer.from(chunk);
    for (let index = 0; index < 10; index += 1) terminal.add(bytes);
    terminal.end();
    expect(terminal.result().text.length).toBeLessThan(50_000);
  },
  20_000,
);
