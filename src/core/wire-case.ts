import * as z from "zod";
import { PyroError } from "./errors.ts";
import { snakeCase } from "./snake-case.ts";

type Direction = "encode" | "decode";

/**
 * JSON keys are snake_case on the CLI, over MCP and on disk, and camelCase in TypeScript. This file
 * is the one place that converts. The schema decides, so the keys of a record (labels, environment
 * variables) stay as the user wrote them.
 */
export function toWire(schema: z.ZodType, value: unknown): unknown {
  return convert(checkWire(schema), value, "encode");
}

/** Parses JSON with snake_case keys; throws `z.ZodError` if it does not fit the schema. */
export function fromWire<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  return schema.parse(convert(checkWire(schema), value, "decode"));
}

/** Explains the first thing that is wrong with a value, naming it as users write it. */
export function explainMismatch(error: z.ZodError, nameField = snakeCase): string {
  const [issue] = error.issues;
  if (!issue) return "does not fit its schema";
  const inner = innermost(issue);
  // A name that begins with a capital letter is a key that the user chose.
  const name = (part: PropertyKey) => (/^[a-z]/.test(String(part)) ? nameField(String(part)) : String(part));
  const path = inner.path.map(name).join(".");
  const what = inWords(inner, name);
  return path === "" ? what : `${path}: ${what}`;
}

type Issue = z.core.$ZodIssue;

/** What is wrong with a value of a union: of the option that fits it best, what is inside. */
function innermost(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const deeper = issue.errors.flat().find(({ path }) => path.length > 0);
  return deeper ? innermost({ ...deeper, path: [...issue.path, ...deeper.path] }) : issue;
}

function inWords(issue: Issue, name: (part: PropertyKey) => string): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.message.endsWith("received undefined")
        ? "it must be given"
        : `it must be ${kinds[issue.expected] ?? issue.expected}`;
    case "invalid_union": {
      const expected = issue.errors.flat().flatMap((inner) => (inner.code === "invalid_type" ? [inner.expected] : []));
      const known = [...new Set(expected)].map((kind) => kinds[kind] ?? kind);
      return known.length === 0 ? issue.message : `it must be ${known.join(" or ")}`;
    }
    case "invalid_value":
      return `it must be ${issue.values.map(String).join(" or ")}`;
    case "too_small":
      return isCounted(issue.origin) && Number(issue.minimum) === 1
        ? "it must not be empty"
        : `it must be ${limitInWords(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "too_big":
      return `it must be ${limitInWords(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum)}`;
    case "unrecognized_keys":
      return `there is no ${issue.keys.map(name).join(", ")}`;
    case "invalid_key":
      return issue.issues[0]?.message ?? issue.message;
    default:
      return issue.message;
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

const isCounted = (origin: string) => origin === "string" || origin === "array";

function limitInWords(origin: string, limit: string, value: number | bigint): string {
  const unit = { string: " characters long", array: " values" }[origin] ?? "";
  return `${limit} ${value}${unit}`;
}

/** Schemas that have passed the check, which looks at all of a schema and never at a value */
const checkedSchemas = new WeakSet<z.ZodType>();

/**
 * Refuses a schema whose keys cannot be converted, and returns any other. A schema is checked where
 * it is defined, so that a mistake in it shows before a value comes. `name` is what the message
 * calls the schema.
 */
export function checkWire<S extends z.ZodType>(schema: S, name = "schema"): S {
  if (checkedSchemas.has(schema)) return schema;
  check(schema, name);
  checkedSchemas.add(schema);
  return schema;
}

function check(schema: z.ZodType, path: string): void {
  const inner = unwrap(schema);
  if (isKeyless(inner)) return;
  if (inner instanceof z.ZodArray) return check(inner.element as z.ZodType, `${path}[]`);
  if (inner instanceof z.ZodRecord) return check(inner.valueType as z.ZodType, `${path}.*`);
  if (inner instanceof z.ZodObject) return checkFields(inner, path);
  if (inner instanceof z.ZodDiscriminatedUnion) {
    for (const option of optionsOf(inner)) check(option, path);
    return;
  }
  const isUnion = inner instanceof z.ZodUnion;
  throw refused(
    path,
    isUnion ? "it is a union of objects without a discriminator" : `it is of kind '${inner.def.type}'`,
  );
}

function checkFields({ shape, def }: z.ZodObject, path: string): void {
  if (def.catchall) throw refused(path, "it has a rule for keys that it does not name");
  const fields = new Map<string, string>();
  for (const [name, field] of Object.entries(shape)) {
    const other = fields.get(snakeCase(name));
    if (other !== undefined) throw refused(`${path}.${name}`, `in JSON it has the name of '${other}'`);
    fields.set(snakeCase(name), name);
    check(field as z.ZodType, `${path}.${name}`);
  }
}

function refused(path: string, reason: string): PyroError {
  return new PyroError("internal", `cannot convert the keys of '${path}': ${reason}`);
}

/** Kinds of schemas whose values have no keys that follow from the schema */
const leafKinds: ReadonlySet<string> = new Set([
  "string",
  "number",
  "boolean",
  "null",
  "literal",
  "enum",
  // Another schema takes it apart.
  "unknown",
]);

/**
 * Whether values of a schema are the same in JSON. A union of such schemas needs no discriminator.
 */
function isKeyless(schema: z.ZodType): boolean {
  const inner = unwrap(schema);
  if (leafKinds.has(inner.def.type)) return true;
  if (inner instanceof z.ZodArray) return isKeyless(inner.element as z.ZodType);
  return inner instanceof z.ZodUnion && optionsOf(inner).every(isKeyless);
}

function convert(schema: z.ZodType, value: unknown, direction: Direction): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => convert(inner.element as z.ZodType, item, direction));
  }
  if (!isPlainObject(value)) return value;
  if (inner instanceof z.ZodDiscriminatedUnion) return convertOption(inner, value, direction);
  if (inner instanceof z.ZodRecord) {
    const valueType = inner.valueType as z.ZodType;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(valueType, item, direction)]));
  }
  if (!(inner instanceof z.ZodObject)) return value;
  const converted: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(inner.shape)) {
    const [from, to] = namesIn(direction, name);
    if (!Object.hasOwn(value, from) || value[from] === undefined) continue;
    converted[to] = convert(field as z.ZodType, value[from], direction);
  }
  return converted;
}

/** Converts a value of a union by the option that its discriminator names. */
function convertOption(
  union: z.ZodDiscriminatedUnion,
  value: Readonly<Record<string, unknown>>,
  direction: Direction,
): unknown {
  const { discriminator } = union.def;
  const [from, to] = namesIn(direction, discriminator);
  const option = optionsOf(union).find(({ _zod }) => _zod.propValues?.[discriminator]?.has(value[from] as string));
  if (option) return convert(option, value, direction);
  if (direction === "encode") {
    throw new PyroError("internal", `cannot convert a value: no option has its '${discriminator}'`);
  }
  // The schema then refuses it by its discriminator.
  return { [to]: value[from] };
}

/** Names of a field where it is read, and where it is written. */
function namesIn(direction: Direction, name: string): readonly [string, string] {
  return direction === "encode" ? [name, snakeCase(name)] : [snakeCase(name), name];
}

function optionsOf({ options }: z.ZodUnion | z.ZodDiscriminatedUnion): readonly z.ZodType[] {
  return options as readonly z.ZodType[];
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
  return current;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
