import * as z from "zod";
import { snakeCase } from "../core/snake-case.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Schema of an input: names as in JSON, with descriptions. */
export function inputJsonSchema(schema: z.ZodObject): JsonSchema {
  return { ...convert(schema, "input"), additionalProperties: false };
}

/**
 * Schema of a result, for programs that check it: the types of its fields, without descriptions and
 * inner fields. A client loads the schemas of all tools before a model's first word, and a result
 * explains itself. `named` are the fields that it has; default: all.
 */
export function outputJsonSchema(schema: z.ZodObject, named?: readonly string[]): JsonSchema {
  const { properties, type } = convert(schema, "output");
  const names = new Set((named ?? Object.keys(schema.shape)).map(snakeCase));
  const fields = Object.entries(properties as Readonly<Record<string, JsonSchema>>).filter(([name]) => names.has(name));
  return { type, properties: Object.fromEntries(fields.map(([name, field]) => [name, outline(field)])) };
}

function convert(schema: z.ZodObject, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...converted } = z.toJSONSchema(schema, {
    io,
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema instanceof z.ZodObject) renameProperties(jsonSchema);
    },
  });
  return compact(converted) as JsonSchema;
}

function renameProperties(schema: z.core.JSONSchema.BaseSchema): void {
  const { properties, required } = schema;
  if (!properties) return;
  schema.properties = Object.fromEntries(Object.entries(properties).map(([name, value]) => [snakeCase(name), value]));
  if (required) schema.required = required.map(snakeCase);
}

/** The same schema with fewer words. */
function compact(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(compact);
  if (typeof node !== "object" || node === null) return node;
  // Keys of JSON objects are always text.
  const { propertyNames: _, ...rest } = node as JsonSchema;
  const told = Object.entries(rest).filter(([key, value]) => !(limits.has(key) && typeof value === "number"));
  const compacted = Object.fromEntries(told.map(([key, value]) => [key, compact(value)]));
  return orNull(compacted) ?? compacted;
}

/** An error tells a limit if a caller exceeds it. */
const limits: ReadonlySet<string> = new Set([
  ...["minLength", "maxLength", "minItems", "minimum", "maximum", "exclusiveMinimum"],
]);

/** Writes `anyOf` of a type and null as a list of types. */
function orNull({ anyOf, ...rest }: JsonSchema): JsonSchema | undefined {
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return undefined;
  const [value, none] = anyOf as [JsonSchema, JsonSchema];
  if (none["type"] !== "null" || typeof value["type"] !== "string" || value["enum"] !== undefined) return undefined;
  return { ...rest, ...value, type: [value["type"], "null"] };
}

function outline({ type, anyOf }: JsonSchema): JsonSchema {
  return Array.isArray(anyOf) ? { anyOf: anyOf.map(outline) } : { type };
}
