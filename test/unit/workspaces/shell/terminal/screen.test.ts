import { expect, test } from "vitest";
import { ShellScreen } from "../../../../../src/workspaces/shell/terminal/screen.ts";

async function screenWith(text: string, { cols = 20, rows = 4 } = {}) {
  const answers: string[] = [];
  const screen = new ShellScreen({ cols, rows }, (answer) => answers.push(answer));
  await screen.show(Buffer.from(text));
  return { screen, answers };
}

const show = (screen: ShellScreen, text: string) => screen.show(Buffer.from(text));

test("a reader that goes on gets the lines that have left the screen since, then the screen", async () => {
  const { screen } = await screenWith("1\r\n2\r\n3\r\n");
  const first = screen.remember();
  expect(screen.textSince(0)).toEqual({ text: "1\n2\n3", isCut: false });
  await show(screen, "4\r\n5\r\n6\r\n7\r\n");
  const second = screen.remember();
  expect(screen.textSince(first)).toEqual({ text: "1\n2\n3\n4\n5\n6\n7", isCut: false });
  await show(screen, "8");
  expect(screen.textSince(second).text).toBe("5\n6\n7\n8");
  // A position in between is taken for the one before it.
  expect(screen.textSince(second - 1).text).toBe("1\n2\n3\n4\n5\n6\n7\n8");
});

test("lines that are not kept any more are missing, which is said", async () => {
  const { screen } = await screenWith("first\r\n");
  const position = screen.remember();
  await show(screen, Array.from({ length: 3_000 }, (_, i) => `${i}\r\n`).join(""));
  const { text, isCut } = screen.textSince(position);
  expect(isCut).toBe(true);
  expect(text.split("\n").at(-1)).toBe("2999");
  expect(text.split("\n").length).toBeLessThan(2_010);
});

test("a wrapped line is one line, and the alternate screen hides the others", async () => {
  const { screen } = await screenWith(`${"x".repeat(45)}\r\nnext`);
  expect(screen.textSince(0).text).toBe(`${"x".repeat(45)}\nnext`);
  await show(screen, "\x1b[?1049h\x1b[2;3Hfull");
  expect(screen.textSince(0).text).toBe("\n  full");
  expect(screen.cursor).toEqual({ row: 1, column: 6, alternate: true });
  screen.remember();
  await show(screen, "\x1b[?1049l");
  expect(screen.textSince(0).text).toBe(`${"x".repeat(45)}\nnext`);
});

test("questions to the terminal are answered", async () => {
  const { answers } = await screenWith("ab\x1b[6n\x1b[c\x1b]11;?\x07\x1b]11;#123456\x07");
  expect(answers).toEqual(["\x1b[1;3R", "\x1b[?1;2c", "\x1b]11;rgb:0000/0000/0000\x1b\\"]);
});

test.each([..."LMSTIZb"])("a number larger than the screen keeps nothing busy (%s)", async (final) => {
  const { screen } = await screenWith(`a\x1b[2000000000${final}b`);
  expect(screen.textSince(0).text).toBe("ab");
});

test("marks tell whether a command runs, and how the last one ended", async () => {
  const { screen } = await screenWith("no marks");
  expect(screen.commandMarks).toEqual({ isAtPrompt: undefined, lastExitCode: null });
  await show(screen, "\x1b]133;D;0\x07\x1b]133;A\x07$ ");
  expect(screen.commandMarks).toEqual({ isAtPrompt: true, lastExitCode: null });
  await show(screen, "\x1b]133;C\x07");
  expect(screen.commandMarks).toEqual({ isAtPrompt: false, lastExitCode: null });
  await show(screen, "\x1b]133;D;9\x07\x1b]133;A\x07");
  expect(screen.commandMarks).toEqual({ isAtPrompt: true, lastExitCode: 9 });
  await show(screen, "\x1b]133;D;lies\x07");
  expect(screen.commandMarks.lastExitCode).toBe(9);
});
