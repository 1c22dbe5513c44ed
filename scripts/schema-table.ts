import { z } from "zod";
import { snakeCase } from "../src/core/snake-case.ts";

/** The part of JSON Schema that operations use. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

/** A result's fields as a table in Markdown, in full depth. */
export function fieldTable(output: z.ZodObject): string {
  const rows = fieldRows(z.toJSONSchema(output) as JsonSchema, "");
  return ["| field | type | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

/** One row for a field and one for each field inside it: `issues[].message`. */
function fieldRows(schema: JsonSchema, prefix: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([field, property]) => {
    const path = `${prefix}${snakeCase(field)}`;
    const row = `| \`${path}\` | ${typeOf(property)} | ${property.description ?? ""} |`;
    const object = property.anyOf?.find(({ properties }) => properties) ?? property;
    return [row, ...fieldRows(object, `${path}.`), ...fieldRows(object.items ?? {}, `${path}[].`)];
  });
}

export function typeOf({ type, enum: values, anyOf, items }: JsonSchema): string {
  if (anyOf) return anyOf.map(typeOf).join(" or ");
  if (values) return values.map((value) => `\`${value}\``).join(", ");
  if (items) return `array of ${typeOf(items)}`;
  return [type ?? "any"].flat().join(" or ");
}
