import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { checkWire, explainMismatch, fromWire, toWire } from "../../../src/core/wire-case.ts";

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

describe("a union with a discriminator", () => {
  const source = z.discriminatedUnion("sourceKind", [
    z.object({ sourceKind: z.literal("git_clone"), repoUrl: z.string() }),
    z.object({ sourceKind: z.enum(["empty", "none"]), whyEmpty: z.string().nullable() }),
  ]);
  const outer = z.object({
    firstSource: source.nullable(),
    allSources: z.array(source).optional(),
    byName: z.record(z.string(), source),
  });

  test("is converted by the option that a value is of, its discriminator included", () => {
    const sources = {
      firstSource: { sourceKind: "git_clone", repoUrl: "x" },
      allSources: [{ sourceKind: "none", whyEmpty: null }],
      byName: { aName: { sourceKind: "empty", whyEmpty: "y" } },
    };
    const inJson = {
      first_source: { source_kind: "git_clone", repo_url: "x" },
      all_sources: [{ source_kind: "none", why_empty: null }],
      by_name: { aName: { source_kind: "empty", why_empty: "y" } },
    };
    expect(toWire(outer, sources)).toEqual(inJson);
    expect(fromWire(outer, inJson)).toEqual(sources);
  });

  test("may be an option of another one", () => {
    const nested = z.discriminatedUnion("mainKind", [
      z.discriminatedUnion("subKind", [
        z.object({ mainKind: z.literal("a"), subKind: z.literal("x"), theX: z.number() }),
        z.object({ mainKind: z.literal("a"), subKind: z.literal("y"), theY: z.number() }),
      ]),
      z.object({ mainKind: z.literal("b"), theB: z.number() }),
    ]);
    const inJson = { main_kind: "a", sub_kind: "y", the_y: 1 };
    expect(fromWire(nested, inJson)).toEqual({ mainKind: "a", subKind: "y", theY: 1 });
    expect(toWire(nested, { mainKind: "a", subKind: "y", theY: 1 })).toEqual(inJson);
    expect(toWire(nested, { mainKind: "b", theB: 1 })).toEqual({ main_kind: "b", the_b: 1 });
  });

  test.each([
    ["another value", { source_kind: "tarball", repo_url: "x" }],
    ["none", { repo_url: "x" }],
    ["one in the wrong case", { sourceKind: "git_clone", repo_url: "x" }],
    ["one from its prototype", Object.create({ source_kind: "git_clone", repo_url: "x" })],
  ])("refuses JSON whose discriminator is %s, by that name", (_what, json) => {
    const parse = () => fromWire(source, json);
    expect(parse).toThrow(z.ZodError);
    const { error } = source.safeParse({ sourceKind: "tarball" });
    expect(error && explainMismatch(error)).toMatch(/^source_kind: /);
  });

  test("loses nothing of a value that is of no option: it is refused", () => {
    expect(() => toWire(source, { sourceKind: "tarball", repoUrl: "x" })).toThrow("no option has its 'sourceKind'");
  });
});

describe("a schema is checked where it is defined", () => {
  const keyed = z.object({ aKey: z.string() });

  test.each<[string, z.ZodType, string]>([
    ["a union of objects", z.union([keyed, z.object({ bKey: z.string() })]), "a union of objects without"],
    ["a union of a text and an object", z.union([z.string(), keyed]), "a union of objects without"],
    ["a union of arrays of objects", z.union([z.string(), z.array(keyed)]), "a union of objects without"],
    ["an intersection", z.intersection(keyed, z.object({ bKey: z.string() })), "it is of kind 'intersection'"],
    ["a tuple", z.tuple([keyed]), "it is of kind 'tuple'"],
    ["a transform", z.string().transform(Number), "it is of kind 'pipe'"],
    ["a map", z.map(z.string(), keyed), "it is of kind 'map'"],
    ["a set", z.set(z.string()), "it is of kind 'set'"],
    ["a date", z.date(), "it is of kind 'date'"],
    ["a lazy schema", z.lazy(() => keyed), "it is of kind 'lazy'"],
    ["an object that takes any key", z.looseObject({ aKey: z.string() }), "it has a rule for keys"],
    ["two names that JSON has for one", z.object({ aKey: z.string(), a_key: z.string() }), "the name of 'aKey'"],
  ])("%s is refused, with the path to it", (_what, inner, reason) => {
    const whole = z.object({
      theRows: z.array(
        z.discriminatedUnion("kind", [
          z.object({ kind: z.literal("a") }),
          z.object({ kind: z.literal("b"), byName: z.record(z.string(), inner.nullable().optional()) }),
        ]),
      ),
    });
    expect(() => checkWire(whole, "thing.output")).toThrow(
      new RegExp(`^cannot convert the keys of 'thing\\.output\\.theRows\\[\\]\\.byName\\.\\*.*': .*${reason}`),
    );
    // Nor is it used if nothing has checked it.
    expect(() => toWire(whole, { theRows: [] })).toThrow(reason);
    expect(() => fromWire(whole, {})).toThrow(reason);
  });

  test.each<[string, z.ZodType, unknown]>([
    ["texts, alone or in an array", z.union([z.array(z.string().min(1)).min(1), z.string()]), ["a_b", "aB"]],
    ["a number or null", z.union([z.number(), z.null()]), null],
    ["what another schema takes apart", z.unknown(), { aKey: 1, a_key: 2 }],
    ["a text with conditions", z.string().refine((text) => text !== ""), "x"],
  ])("%s may be a field: it is the same in JSON", (_what, inner, given) => {
    const whole = checkWire(z.object({ theField: inner }), "thing.input");
    expect(toWire(whole, { theField: given })).toEqual({ the_field: given });
    expect(fromWire(whole, { the_field: given })).toEqual({ theField: given });
  });
});

interface Sample {
  readonly schema: z.ZodType;
  readonly value: unknown;
}

const fieldName = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,8}$/);
const recordKey = fc.string().filter((key) => key !== "__proto__");
const leaf: fc.Arbitrary<Sample> = fc.oneof(
  fc.string().map((value) => ({ schema: z.string(), value })),
  fc.integer().map((value) => ({ schema: z.number().nullable(), value })),
  fc.boolean().map((value) => ({ schema: z.boolean().optional(), value })),
  fc.array(fc.string()).map((value) => ({ schema: z.union([z.string(), z.array(z.string())]), value })),
);

function objectOf(fields: Readonly<Record<string, Sample>>): { schema: z.ZodObject; value: Record<string, unknown> } {
  const entries = Object.entries(fields);
  return {
    schema: z.object(Object.fromEntries(entries.map(([name, { schema: field }]) => [name, field]))),
    value: Object.fromEntries(entries.map(([name, { value: field }]) => [name, field])),
  };
}

/** A schema that can be converted, and a value of it. */
function sampleOf(hasRecords: boolean): fc.Arbitrary<Sample> {
  const { sample } = fc.letrec<{ sample: Sample; fields: Record<string, Sample> }>((tie) => {
    const fields = fc.dictionary(fieldName, tie("sample"), { maxKeys: 4, noNullPrototype: true });
    const arrays = tie("sample").map(({ schema: item, value: one }) => ({ schema: z.array(item), value: [one, one] }));
    const records = fc.tuple(recordKey, tie("sample")).map(([key, { schema: item, value: one }]) => ({
      schema: z.record(z.string(), item),
      value: { [key]: one },
    }));
    const unions = fc.tuple(fieldName, fields, fields, fc.boolean()).map(([discriminator, first, second, isFirst]) => {
      const option = (kind: string, rest: Readonly<Record<string, Sample>>) =>
        objectOf({ ...rest, [discriminator]: { schema: z.literal(kind), value: kind } });
      const [one, two] = [option("firstKind", first), option("second_kind", second)];
      const union = z.discriminatedUnion(discriminator, [one.schema, two.schema] as never);
      return { schema: union as z.ZodType, value: (isFirst ? one : two).value };
    });
    return {
      fields,
      sample: fc.oneof(
        { maxDepth: 4, depthSize: "small" },
        leaf,
        fields.map(objectOf),
        arrays,
        unions,
        ...(hasRecords ? [records] : []),
      ),
    };
  });
  return sample;
}

test("every value of a schema that passes the check comes back from JSON as it was", () => {
  fc.assert(
    fc.property(sampleOf(true), ({ schema: any, value: given }) => {
      const json: unknown = JSON.parse(JSON.stringify(toWire(checkWire(any), given)));
      expect(fromWire(any, json)).toEqual(given);
    }),
  );
});

test("no key in JSON has a capital letter, unless a user chose it", () => {
  const keysOf = (json: unknown): string[] =>
    typeof json === "object" && json !== null
      ? [...(Array.isArray(json) ? [] : Object.keys(json)), ...Object.values(json).flatMap(keysOf)]
      : [];
  fc.assert(
    fc.property(sampleOf(false), ({ schema: any, value: given }) => {
      expect(keysOf(toWire(any, given)).filter((key) => /[A-Z]/.test(key))).toEqual([]);
    }),
  );
});

test.each([
  [z.object({ count: z.number() }), {}, "count: it must be given"],
  [z.object({ count: z.number() }), { count: "x" }, "count: it must be a number"],
  [z.object({ count: z.number().int() }), { count: 1.5 }, "count: it must be a whole number"],
  [z.object({ count: z.number().min(256) }), { count: 1 }, "count: it must be at least 256"],
  [z.object({ count: z.number().positive() }), { count: 0 }, "count: it must be more than 0"],
  [z.object({ count: z.number().max(9) }), { count: 10 }, "count: it must be at most 9"],
  [z.object({ word: z.string().min(1) }), { word: "" }, "word: it must not be empty"],
  [z.object({ word: z.string().max(3) }), { word: "long" }, "word: it must be at most 3 characters long"],
  [z.object({ words: z.array(z.string()).min(1) }), { words: [] }, "words: it must not be empty"],
  [z.object({ words: z.array(z.string()) }), { words: [1] }, "words.0: it must be text"],
  [z.object({ is: z.boolean() }), { is: 1 }, "is: it must be true or false"],
  [z.object({ kind: z.enum(["a", "b"]) }), { kind: "c" }, "kind: it must be a or b"],
  [z.object({ any: z.union([z.array(z.string()), z.string()]) }), { any: 1 }, "any: it must be a list or text"],
  [z.object({}).strict(), { moreWords: 1 }, "there is no more_words"],
  [z.object({ any: z.union([z.array(z.string()), z.string()]) }), { any: ["a", 1] }, "any.1: it must be text"],
  [z.object({ env: z.record(z.string(), z.string()) }), { env: { FOO: 1 } }, "env.FOO: it must be text"],
  [
    z.object({
      env: z.record(
        z.string().refine((name) => name !== "A=B", "no = in it"),
        z.string(),
      ),
    }),
    { env: { "A=B": "x" } },
    "env.A=B: no = in it",
  ],
])("a mismatch is told in pyro's own words", (schema, value, words) => {
  const { error } = schema.safeParse(value);
  expect(error && explainMismatch(error)).toBe(words);
});
