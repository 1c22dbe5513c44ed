import { expect, test } from "vitest";
import * as z from "zod";
import { fieldsOf, nameOfField, parseFlag } from "../../../src/cli/flags.ts";
import { buildProgram, type Invocation } from "../../../src/cli/program.ts";
import { defineOperation } from "../../../src/operations/operation.ts";

const sample = defineOperation({
  name: "sample",
  summary: "A sample",
  effect: "read",
  input: z.object({
    id: z.string(),
    words: z.union([z.array(z.string()), z.string()]),
    memMib: z.number().default(7).describe("Memory"),
    isQuiet: z.boolean().default(false),
    labels: z.record(z.string(), z.string()).optional().describe("Label"),
    clearLabels: z.array(z.string()).optional(),
    text: z.string(),
    outputPath: z.string(),
  }),
  output: z.object({}),
  cli: { positionals: ["id", "words"], flagNames: { outputPath: "output" }, examples: ["sample x"] },
  handle: async () => ({}),
});
const { positionals, flags } = fieldsOf(sample);
const flag = (field: string) => {
  const found = flags.find((candidate) => candidate.field === field);
  if (!found) throw new Error(`no flag for ${field}`);
  return found;
};

test("fields become positionals and flags, and repeated ones are named for one value", () => {
  expect(positionals.map(({ field, kind }) => [field, kind])).toEqual([
    ["id", "string"],
    ["words", "list"],
  ]);
  expect(flags.map(({ name, kind, required }) => [name, kind, required])).toEqual([
    ["--mem-mib", "number", false],
    ["--is-quiet", "boolean", false],
    ["--label", "record", false],
    ["--clear-label", "list", false],
    ["--text", "string", true],
    ["--output", "string", true],
  ]);
  expect(["labels", "outputPath", "id"].map((field) => nameOfField(sample, field))).toEqual([
    ...["--label", "--output", "id"],
  ]);
  expect(flag("memMib")).toMatchObject({ description: "Memory", defaultValue: 7 });
});

test("a record takes KEY=VALUE, of which the value may hold anything", () => {
  expect(parseFlag(flag("labels"), ["a=1", "b=", "c=x=y", "d= \n"])).toEqual({ a: "1", b: "", c: "x=y", d: " \n" });
  const pairs = parseFlag(flag("labels"), ["__proto__=x"]);
  expect(Object.entries(pairs as object)).toEqual([["__proto__", "x"]]);
});

test("a key alone stands for itself twice, where an operation takes that", () => {
  expect(parseFlag({ ...flag("labels"), takesBareKeys: true }, ["KEY", "a=b"])).toEqual({ KEY: "KEY", a: "b" });
});

test.each([
  [["nothing"], "--label: 'nothing' is not KEY=VALUE"],
  [["=x"], "--label: '=x' is not KEY=VALUE"],
  [["a=1", "a=2"], "--label: 'a' is given twice"],
])("a record of %j is refused", (typed, message) => {
  expect(() => parseFlag(flag("labels"), typed)).toThrow(
    expect.objectContaining({ code: "invalid_argument", message }),
  );
});

test.each(["", " ", "1x", "0x", "--1"])("'%s' is no number", (typed) => {
  expect(() => parseFlag(flag("memMib"), typed)).toThrow(`--mem-mib: '${typed}' is not a number`);
});

async function invocationOf(...argv: string[]): Promise<Invocation> {
  let seen: Invocation | undefined;
  const program = buildProgram({
    version: "1.2.3",
    onServe: async () => {},
    onInvoke: async (invocation) => {
      seen = invocation;
    },
  });
  await program.parseAsync(argv, { from: "user" });
  if (!seen) throw new Error("nothing was invoked");
  return seen;
}

test("labels given one by one arrive as one record, keys to clear as one list", async () => {
  const { operation, input } = await invocationOf(
    ...["workspace", "update", "0a1b2c3d4e5f", "--label", "a=1", "--label", "b=2"],
    ...["--clear-label", "c", "--clear-label", "d", "--clear-name"],
  );
  expect(operation.name).toBe("workspace.update");
  expect(input).toEqual({
    workspaceId: "0a1b2c3d4e5f",
    labels: { a: "1", b: "2" },
    clearLabels: ["c", "d"],
    clearName: true,
  });
});

test("what follows -- belongs to the guest's command, flags included", async () => {
  const { input, json } = await invocationOf("workspace", "exec", "x", "--timeout-seconds", "5", "--", "ls", "--json");
  expect(input).toEqual({ workspaceId: "x", timeoutSeconds: 5, command: ["ls", "--json"] });
  expect(json).toBe(false);
});

test("an only flag says so, and is no input", async () => {
  const create = await invocationOf("workspace", "create", "debian:12", "--id-only");
  expect(create).toMatchObject({ partOnly: true, json: false, input: { environment: "debian:12" } });
  expect((await invocationOf("workspace", "file", "read", "x", "a.txt", "--content-only")).partOnly).toBe(true);
  expect((await invocationOf("workspace", "file", "read", "x", "a.txt")).partOnly).toBe(false);
});
