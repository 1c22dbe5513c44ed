import { expect, test } from "vitest";
import * as z from "zod";
import { explainMismatch, fromWire, toWire } from "../../../src/core/wire-case.ts";

const schema = z.object({
  memMib: z.number(),
  oomKilled: z.boolean().optional(),
  lastCommand: z.object({ exitCode: z.number().nullable() }).nullable(),
  entries: z.array(z.object({ artifactType: z.string() })),
  labels: z.record(z.string(), z.object({ setAt: z.string() })),
});

const value = {
  memMib: 512,
  lastCommand: { exitCode: null },
  entries: [{ artifactType: "file" }],
  labels: { "myKey.a_b": { setAt: "now" } },
};

const wire = {
  mem_mib: 512,
  last_command: { exit_code: null },
  entries: [{ artifact_type: "file" }],
  labels: { "myKey.a_b": { set_at: "now" } },
};

test("keys of objects change their case, keys of records are the user's", () => {
  expect(toWire(schema, value)).toEqual(wire);
  expect(fromWire(schema, wire)).toEqual(value);
});

test("unknown keys are dropped on the way in and out", () => {
  expect(toWire(schema, { ...value, extra: 1 })).toEqual(wire);
  expect(fromWire(schema, { ...wire, extra: 1 })).toEqual(value);
});

test("a mismatch names the field as users write it", () => {
  const { error } = schema.safeParse({ ...value, lastCommand: { exitCode: "x" } });
  expect(error && explainMismatch(error)).toMatch(/^last_command\.exit_code: /);
});
