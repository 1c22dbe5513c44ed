import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import { snakeCase } from "../core/snake-case.ts";
import { explainMismatch, fromWire } from "../core/wire-case.ts";
import { environmentChoice } from "../operations/fields.ts";
import type { Operation } from "../operations/operation.ts";
import { operations } from "../operations/registry.ts";
import type { Toolset } from "../operations/toolsets.ts";
import { inputJsonSchema, type JsonSchema, outputJsonSchema } from "./json-schema.ts";

/** An operation as a tool of a model. */
export interface Tool {
  readonly name: string;
  readonly operation: Operation;
  /** Parses all arguments of the operation, hidden ones to their defaults */
  readonly input: z.ZodObject;
  /** The arguments that this toolset offers */
  readonly offered: z.ZodObject;
  readonly description: string;
}

/** A tool as `tools/list` shows it. */
export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonSchema & { readonly type: "object" };
  readonly outputSchema: JsonSchema & { readonly type: "object" };
  readonly annotations: Readonly<
    Record<"readOnlyHint" | "openWorldHint", boolean> & Partial<Record<"destructiveHint" | "idempotentHint", boolean>>
  >;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** `workspace.file.read` is `workspace_file_read`, unless the operation says otherwise. */
export function toolName({ name, mcp }: Operation): string {
  return mcp?.name ?? name.replaceAll(".", "_");
}

/** What a server's user may choose for all of its tools. */
export interface ToolDefaults {
  /** Environment of machines for which a model names none */
  readonly environment?: string | undefined;
}

/** The tools of a toolset, in its order. */
export function toolsOf(toolset: Toolset, defaults: ToolDefaults = {}): readonly Tool[] {
  const byName = new Map(operations.map((operation: Operation) => [toolName(operation), operation]));
  return toolset.tools.map((name) => {
    const operation = byName.get(name);
    if (!operation)
      throw new PyroError("internal", `toolset '${toolset.name}' names tool '${name}', which does not exist`);
    return toTool(name, operation, toolset, defaults);
  });
}

function toTool(
  name: string,
  operation: Operation,
  { withoutArguments, purposes }: Toolset,
  { environment }: ToolDefaults,
): Tool {
  const { summary, mcp, input } = operation;
  const hidden = withoutArguments[name] ?? [];
  const chosen =
    environment !== undefined && "environment" in input.shape
      ? { environment: environmentChoice.default(environment) }
      : {};
  const shape: z.ZodRawShape = { ...withoutUsualWords(input.shape), ...mcp?.input, ...chosen };
  const offered = Object.fromEntries(Object.entries(shape).filter(([field]) => !hidden.includes(field)));
  const description = [purposes[name], mcp?.description ?? `${summary}.`].filter(Boolean).join(" ");
  return { name, operation, input: z.object(shape), offered: z.object(offered), description };
}

/** The server's instructions say once what a workspace_id is, instead of each tool. */
function withoutUsualWords(shape: z.ZodRawShape): z.ZodRawShape {
  return "workspaceId" in shape ? { ...shape, workspaceId: z.string().min(1).max(120) } : shape;
}

/** Facts about a tool in one server. */
export interface ToolFacts {
  /** Shown at once by clients that make the model search for other tools */
  readonly isEager?: boolean;
  /** End of its description */
  readonly about?: string | undefined;
  /** Whether it contacts other machines */
  readonly reachesOut?: boolean;
  /** Whether it can run commands on the user's machine */
  readonly usesHost?: boolean;
}

export function definitionOf(tool: Tool, facts: ToolFacts = {}): ToolDefinition {
  const { name, operation, offered } = tool;
  const { isEager = false, about, reachesOut = false, usesHost = false } = facts;
  const description = about === undefined ? tool.description : `${tool.description} ${about}`;
  const { effect, output, mcp } = operation;
  return {
    name,
    description,
    inputSchema: inputJsonSchema(offered) as ToolDefinition["inputSchema"],
    outputSchema: outputJsonSchema(output, mcp?.namedFields) as ToolDefinition["outputSchema"],
    annotations: {
      readOnlyHint: effect === "read",
      // The protocol gives these two a meaning only for tools that change something.
      ...(effect === "read"
        ? {}
        : { destructiveHint: effect === "destroy" || usesHost, idempotentHint: mcp?.isIdempotent === true }),
      // Guests have no network, and exports go to this machine's own disks.
      openWorldHint: reachesOut || usesHost,
    },
    // Claude Code lists other tools by name only, until its model searches for them.
    ...(isEager ? { _meta: { "anthropic/alwaysLoad": true } } : {}),
  };
}

/**
 * Parses what a model sent, as the operation takes it. A model may send null for what it leaves
 * out, and numbers and truth values as text.
 */
export function parseArguments({ name, input, offered }: Tool, given: unknown): Readonly<Record<string, unknown>> {
  const fields = new Map(Object.entries(offered.shape).map(([field, schema]) => [snakeCase(field), schema]));
  const names = [...fields.keys()];
  const hint = names.length === 0 ? "It takes none." : `Its arguments are ${names.join(", ")}.`;
  const wrong = (reason: string, cause?: unknown) =>
    new PyroError("invalid_argument", `cannot call ${name}: ${reason}`, { hint, cause });
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw wrong("arguments must be an object");
  const present = Object.entries(given).filter(([, value]) => value !== null);
  const unknown = present.map(([key]) => key).find((key) => !names.includes(key));
  if (unknown !== undefined) throw wrong(`it has no argument '${unknown}'`);
  try {
    return fromWire(input, Object.fromEntries(present.map(([key, value]) => [key, asMeant(fields.get(key), value)])));
  } catch (error) {
    throw error instanceof z.ZodError ? wrong(explainMismatch(error), error) : error;
  }
}

function asMeant(schema: unknown, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const type = withoutDefault(schema);
  if (type instanceof z.ZodNumber && /^\s*-?\d+(?:\.\d+)?\s*$/.test(value)) return Number(value);
  if (type instanceof z.ZodBoolean && (value === "true" || value === "false")) return value === "true";
  return value;
}

function withoutDefault(schema: unknown): unknown {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodOptional ? withoutDefault(schema.unwrap()) : schema;
}
