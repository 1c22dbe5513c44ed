import * as z from "zod";
import { PyroError } from "./errors.ts";
import { snakeCase } from "./snake-case.ts";

/**
 * JSON keys are snake_case on the CLI, over MCP and on disk, camelCase in TypeScript: this file is the one place that converts.
 * The schema decides, so that the keys of a record (labels, environment variables) stay as the user wrote them.
 */
export function toWire(schema: z.ZodType, value: unknown): unknown {
  return convert(schema, value, "encode");
}

/** Parses JSON with snake_case keys; throws `z.ZodError` when it does not fit the schema. */
export function fromWire<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  return schema.parse(convert(schema, value, "decode"));
}

/** Explains the first thing that is wrong with a value, naming it as users write it. */
export function explainMismatch(error: z.ZodError, nameField = snakeCase): string {
  const [issue] = error.issues;
  if (!issue) return "does not fit its schema";
  const path = issue.path.map((part) => nameField(String(part))).join(".");
  const isMissing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  const what = isMissing ? "it must be given" : issue.message;
  return path === "" ? what : `${path}: ${what}`;
}

function convert(schema: z.ZodType, value: unknown, direction: "encode" | "decode"): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => convert(inner.element as z.ZodType, item, direction));
  }
  if (!isPlainObject(value)) return value;
  if (inner instanceof z.ZodRecord) {
    const valueType = inner.valueType as z.ZodType;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(valueType, item, direction)]));
  }
  if (!(inner instanceof z.ZodObject)) return value;
  const converted: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(inner.shape)) {
    const [from, to] = direction === "encode" ? [name, snakeCase(name)] : [snakeCase(name), name];
    if (value[from] !== undefined) converted[to] = convert(field as z.ZodType, value[from], direction);
  }
  return converted;
}

function unwrap(schema: z.ZodType): z.ZodType {
  let current = schema;
  while (
    current instanceof z.ZodOptional ||
    current instanceof z.ZodNullable ||
    current instanceof z.ZodDefault ||
    current instanceof z.ZodReadonly
  ) {
    current = current.unwrap() as z.ZodType;
  }
  if (current instanceof z.ZodUnion) {
    throw new PyroError("internal", "wire schemas must not hold unions: their keys cannot be converted");
  }
  return current;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
