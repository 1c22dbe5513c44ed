import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PyroError } from "../../../src/core/errors.ts";
import { type Hint, hint, named, sayHint, sayInLibrary, toRun } from "../../../src/core/hint.ts";
import { commands, sayInCommandLine } from "../../../src/operations/command-line.ts";
import type { Operation } from "../../../src/operations/operation.ts";
import { operations } from "../../../src/operations/registry.ts";
import { toCall } from "../../../src/workspaces/record/kind.ts";

const id = { workspaceId: "0a1b" };

test.each<[Hint, string, string]>([
  [
    hint`${toRun("workspace.start", id)}; its files are kept.`,
    "Run `pyro workspace start 0a1b`; its files are kept.",
    'Call `pyro.workspace.start({ workspaceId: "0a1b" })`; its files are kept.',
  ],
  [
    hint`Free some space, or ${toRun("env.prune")}.`,
    "Free some space, or run `pyro env prune`.",
    "Free some space, or call `pyro.env.prune()`.",
  ],
  [
    hint`${toRun("prepare", { environment: "debian:12", force: true })}.`,
    "Run `pyro prepare debian:12 --force`.",
    'Call `pyro.prepare({ environment: "debian:12", force: true })`.',
  ],
  [
    hint`Look at it with ${named("workspace.logs")}.`,
    "Look at it with `pyro workspace logs`.",
    "Look at it with `pyro.workspace.logs()`.",
  ],
])("%j", (said, onCommandLine, inLibrary) => {
  expect(sayHint(said, sayInCommandLine)).toBe(onCommandLine);
  expect(sayHint(said, sayInLibrary)).toBe(inLibrary);
});

test("an error says its hint in the terms of the library, and each surface in its own", () => {
  const error = new PyroError("not_found", "there is none", { hint: hint`${toRun("workspace.list")}.` });
  expect(error.hint).toBe("Call `pyro.workspace.list()`.");
  expect(error.toJSON().hint).toBe("Call `pyro.workspace.list()`.");
  expect(error.payload(sayInCommandLine).hint).toBe("Run `pyro workspace list`.");
  expect(new PyroError("internal", "it is so").toJSON().hint).toBeNull();
});

const sourceDir = new URL("../../../src", import.meta.url).pathname;
const sources = readdirSync(sourceDir, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, text: readFileSync(join(sourceDir, path), "utf8") }));

test("every call in a hint is of an operation that exists, with arguments that it has", () => {
  const byName = new Map(operations.map((operation: Operation) => [operation.name, operation]));
  const calls = sources.flatMap(({ path, text }) =>
    [...text.matchAll(/\b(?:toRun|named)\("([\w.]+)"(?:, \{([^}]*)\})?\)/g)].map(([, name = "", args = ""]) => ({
      path,
      name,
      fields: args
        .split(",")
        .map((field) => field.split(":")[0]?.trim() ?? "")
        .filter(Boolean),
    })),
  );
  expect(calls.length).toBeGreaterThan(25);
  for (const { path, name, fields } of calls) {
    const fieldsThere = Object.keys(byName.get(name)?.input.shape ?? {});
    expect(byName.has(name), `${path}: ${name}`).toBe(true);
    expect(fieldsThere, `${path}: ${name}`).toEqual(expect.arrayContaining(fields));
  }
});

test.each(["0a1b2c3d4e5f", "vm-0a1b2c3d4e5f"])("what is told to do with '%s' are operations on what it is", (own) => {
  for (const operation of ["status", "start", "delete"] as const) {
    const { operation: name, arguments: given } = toCall(operation, own);
    const found = operations.find((each: Operation) => each.name === name);
    expect(Object.keys(found?.input.shape ?? {}), name).toEqual(expect.arrayContaining(Object.keys(given)));
  }
});

test("a call that is no command is said as in the library", () => {
  const parts = hint`${toRun("vm.start", { vmId: "vm-0" })}.`;
  expect(sayHint(parts, sayInCommandLine)).toBe('Call `pyro.vm.start({ vmId: "vm-0" })`.');
  expect(commands.map(({ name }) => name).filter((name) => name.startsWith("vm."))).toEqual([]);
});

test("no message or hint has a command line of pyro in it", () => {
  const offenders = sources
    .filter(({ path }) => !path.startsWith("operations/"))
    .flatMap(({ path, text }) => text.split("\n").map((line) => ({ path, line: line.trim() })))
    .filter(
      ({ line }) => /(?:message|hint|Error\().*\\?`pyro /.test(line) && !line.startsWith("*") && !line.startsWith("//"),
    );
  expect(offenders).toEqual([]);
});
