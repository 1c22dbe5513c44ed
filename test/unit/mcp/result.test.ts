import { describe, expect, test } from "vitest";
import * as z from "zod";
import { PyroError } from "../../../src/core/errors.ts";
import { errorResult, toolResult } from "../../../src/mcp/result.ts";
import type { Tool } from "../../../src/mcp/tool.ts";
import { defineOperation, type Operation } from "../../../src/operations/operation.ts";
import { workspaceExec } from "../../../src/workspaces/command/exec-operation.ts";

const limits = { maxResultChars: 1_000, maxResultLines: 100_000 };

const printing = defineOperation({
  name: "print",
  summary: "Print",
  effect: "read",
  input: z.object({}),
  output: z.object({ lineCount: z.number(), text: z.string(), labels: z.record(z.string(), z.string()) }),
  cli: { examples: ["print"] },
  mcp: {
    text: ({ lineCount, text }) => `${lineCount} lines\n${text}`,
    shortened: (output, maxChars) => ({ ...output, text: output.text.slice(0, maxChars) }),
  },
  handle: async () => ({ lineCount: 0, text: "", labels: {} }),
});

function toolFor(operation: Operation): Tool {
  const { name, input } = operation;
  return { name, operation, input, offered: input, description: "" };
}

test("a result is there twice: with the names of JSON, and laid out for reading", () => {
  const result = toolResult(toolFor(printing), { lineCount: 2, text: "a\nb", labels: { theKey: "x" } }, limits);
  expect(result.structuredContent).toEqual({ line_count: 2, text: "a\nb", labels: { theKey: "x" } });
  expect(result.content).toEqual([{ type: "text", text: "2 lines\na\nb" }]);
});

test.each(["a", "\n", '"', "\u0000", "🙂"])(
  "a long result of %j is shortened to what the client takes",
  (character) => {
    const output = { lineCount: 1, text: character.repeat(100_000), labels: {} };
    const { structuredContent, content } = toolResult(toolFor(printing), output, { ...limits, maxResultChars: 5_000 });
    const json = JSON.stringify(structuredContent);
    expect(json.length).toBeLessThanOrEqual(5_000);
    expect(JSON.stringify(content).length).toBeGreaterThan(400);
    expect(json.length).toBeGreaterThan(2_500);
  },
);

test("a result of too many lines is shortened, however short they are", () => {
  const output = { lineCount: 1, text: "x\n".repeat(10_000), labels: {} };
  const { content } = toolResult(toolFor(printing), output, { maxResultChars: 100_000, maxResultLines: 2_000 });
  const [{ text } = { text: "" }] = content as { text: string }[];
  expect(text.split("\n").length).toBeLessThanOrEqual(2_000);
  expect(text.split("\n").length).toBeGreaterThan(1_000);
});

test("what the command line shows is the text of a tool that says nothing else", () => {
  const { mcp: _, ...plain } = printing;
  const cli = { ...plain.cli, text: () => "rendered\n", notes: () => ["[print] done"] };
  const [content] = toolResult(
    toolFor({ ...plain, cli } as Operation),
    { lineCount: 0, text: "", labels: {} },
    { maxResultChars: 1_000, maxResultLines: 100 },
  ).content as { text: string }[];
  expect(content?.text).toBe("rendered\n\n[print] done");
});

describe("a client that shows its model one form gets an excerpt of the other:", () => {
  const exec = toolFor(workspaceExec as unknown as Operation);
  const stdout = Array.from({ length: 200 }, (_, index) => `test ${index}: a line of a test's output\n`).join("");
  const output = {
    ...{
      workspaceId: "0a1b2c3d4e5f",
      sequence: 3,
      command: ["make test"],
      cwd: "/workspace",
      running: false,
      exitCode: 1,
    },
    ...{ signal: null, timedOut: false, oomKilled: false, startError: null, syncError: null },
    ...{ stdout, stderr: "", stdoutEncoding: "utf-8", stderrEncoding: "utf-8" },
    ...{ stdoutBytes: stdout.length, stderrBytes: 0, truncated: false, durationMs: 1234, advice: null },
    network: null,
    ...{ executionMode: "guest", isolation: { vmm: "qemu", accelerator: "kvm" } },
  };
  const room = { maxResultChars: 24_000, maxResultLines: 2_000 };
  const both = toolResult(exec, output, room);
  const sizeOf = (value: unknown) => JSON.stringify(value).length;

  test("all of the structured content, and the first line of the text", () => {
    const { structuredContent, content } = toolResult(exec, output, { ...room, shows: "structured" });
    expect(structuredContent).toEqual({
      ...{ workspace_id: "0a1b2c3d4e5f", sequence: 3, command: ["make test"], cwd: "/workspace", exit_code: 1 },
      ...{ stdout, stderr: "", truncated: false, duration_ms: 1234 },
      ...{ execution_mode: "guest", isolation: { vmm: "qemu", accelerator: "kvm" } },
    });
    expect(content).toEqual([
      {
        type: "text",
        text: "exit code 1 after 1.2 s (command 3 of workspace 0a1b2c3d4e5f)\n[The structured content has the whole result.]",
      },
    ]);
    expect(sizeOf(content)).toBeLessThan(sizeOf(both.content) / 10);
    expect(sizeOf(structuredContent)).toBeLessThan(sizeOf(both.structuredContent) - 200);
  });

  test("all of the text, and what is short of the structured content", () => {
    const { structuredContent, content } = toolResult(exec, output, { ...room, shows: "text" });
    expect(content).toEqual(both.content);
    expect(structuredContent).toMatchObject({
      stdout: stdout.slice(0, 68),
      exit_code: 1,
      excerpt: [`stdout: 68 of ${stdout.length} characters`],
    });
    expect(sizeOf(structuredContent)).toBeLessThan(sizeOf(both.structuredContent) / 2);
  });

  test("lists are counted, and null of an exit code stays", () => {
    const entries = Array.from({ length: 50 }, (_, index) => ({
      exitCode: null,
      sequence: index,
      word: "x".repeat(40),
    }));
    const schema = z.object({ exitCode: z.number().nullable(), sequence: z.number(), word: z.string() });
    const listing = defineOperation({
      ...{ name: "list", summary: "List", effect: "read", input: z.object({}), cli: { examples: ["list"] } },
      output: z.object({ entries: z.array(schema) }),
      handle: async () => ({ entries }),
    });
    const { structuredContent } = toolResult(toolFor(listing as Operation), { entries }, { ...room, shows: "text" });
    const shown = structuredContent as { entries: unknown[]; excerpt: string[] };
    expect(shown.excerpt).toEqual([`entries: ${shown.entries.length} of 50`]);
    const whole = toolResult(toolFor(listing as Operation), { entries }, { ...room, shows: "structured" });
    expect(whole.structuredContent).toHaveProperty("entries.0.exit_code", null);
  });
});

test("an error says code, reason and what to do", () => {
  const error = new PyroError("not_found", "there is no file 'a'", { hint: "Give another." });
  expect(errorResult(error, [])).toMatchObject({
    isError: true,
    content: [{ type: "text", text: "Error (not_found): there is no file 'a'.\nWhat to do: Give another." }],
    _meta: { "pyro-mcp/error": { code: "not_found", retryable: false } },
  });
});

test("whatever is thrown becomes an error", () => {
  expect(errorResult("odd", [])).toMatchObject({ isError: true, content: [{ text: "Error (internal): odd." }] });
});
