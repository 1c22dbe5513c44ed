import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import { flagName } from "../operations/command-line.ts";
import type { Operation } from "../operations/operation.ts";

/** One input field as the command line offers it. */
export interface Flag {
  readonly field: string;
  /** `--mem-mib` */
  readonly name: string;
  readonly kind: "boolean" | "number" | "string" | "list" | "record";
  readonly description: string;
  readonly defaultValue: unknown;
  readonly required: boolean;
  /** Of pairs: whether a key alone stands for itself twice */
  readonly takesBareKeys: boolean;
}

/** An operation's fields, split into those given by position and those given by flag. */
export function fieldsOf(operation: Operation): { positionals: readonly Flag[]; flags: readonly Flag[] } {
  const { positionals: names = [], flagNames = {}, bareKeys = [], without = [] } = operation.cli ?? {};
  const offered = Object.entries(operation.input.shape).filter(([field]) => !without.includes(field));
  const all = offered.map(([field, schema]) => {
    const flag = { ...describeField(field, schema as z.ZodType), takesBareKeys: bareKeys.includes(field) };
    const name = flagNames[field];
    return name === undefined ? flag : { ...flag, name: `--${name}` };
  });
  const positionals = names.flatMap((name) => all.filter(({ field }) => field === name));
  return { positionals, flags: all.filter(({ field }) => !names.includes(field)) };
}

/** An input field as users of the command line write it, for messages. */
export function nameOfField(operation: Operation, field: string): string {
  return fieldsOf(operation).flags.find((flag) => flag.field === field)?.name ?? field;
}

/** A flag that is given once for each value is named for one of them: `--label` for `labels`. */
function repeatedFlagName(field: string): string {
  return flagName(field).replace(/s$/, "");
}

/** Converts what the user typed to the field's type. The schema refuses what does not fit. */
export function parseFlag(flag: Flag, typed: unknown): unknown {
  if (flag.kind === "record" && Array.isArray(typed)) return parsePairs(flag, typed.map(String));
  if (flag.kind !== "number" || typeof typed !== "string") return typed;
  const parsed = typed.trim() === "" ? Number.NaN : Number(typed);
  if (!Number.isNaN(parsed)) return parsed;
  throw new PyroError("invalid_argument", `${flag.name}: '${typed}' is not a number`);
}

function describeField(field: string, schema: z.ZodType): Omit<Flag, "takesBareKeys"> {
  const { type, defaultValue, required } = unwrap(schema);
  const kind = kindOf(type);
  return {
    field,
    name: kind === "list" || kind === "record" ? repeatedFlagName(field) : flagName(field),
    kind,
    description: schema.description ?? type.description ?? "",
    defaultValue,
    required,
  };
}

function unwrap(schema: z.ZodType): { type: z.ZodType; defaultValue: unknown; required: boolean } {
  if (schema instanceof z.ZodDefault) {
    return { type: schema.unwrap() as z.ZodType, defaultValue: schema.def.defaultValue, required: false };
  }
  if (schema instanceof z.ZodOptional)
    return { type: schema.unwrap() as z.ZodType, defaultValue: undefined, required: false };
  return { type: schema, defaultValue: undefined, required: true };
}

function kindOf(type: z.ZodType): Flag["kind"] {
  if (type instanceof z.ZodBoolean) return "boolean";
  if (type instanceof z.ZodNumber) return "number";
  if (type instanceof z.ZodRecord) return "record";
  // A union of a list and a text is for surfaces without words. The command line has words.
  return type instanceof z.ZodArray || type instanceof z.ZodUnion ? "list" : "string";
}

function parsePairs({ name, takesBareKeys }: Flag, typed: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const word of typed) {
    const pair = takesBareKeys && !word.includes("=") ? `${word}=${word}` : word;
    const at = pair.indexOf("=");
    if (at <= 0) throw new PyroError("invalid_argument", `${name}: '${pair}' is not KEY=VALUE`);
    const key = pair.slice(0, at);
    if (Object.hasOwn(pairs, key)) throw new PyroError("invalid_argument", `${name}: '${key}' is given twice`);
    // Not an assignment: a key may be `__proto__`.
    Object.defineProperty(pairs, key, { value: pair.slice(at + 1), enumerable: true });
  }
  return pairs;
}
