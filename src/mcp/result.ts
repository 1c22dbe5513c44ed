import type { CallToolResult } from "@modelcontextprotocol/server";
import { type ErrorCode, PyroError } from "../core/errors.ts";
import { sayAdvice } from "../core/hint.ts";
import { toWire } from "../core/wire-case.ts";
import type { Operation } from "../operations/operation.ts";
import type { ClientTraits } from "./clients.ts";
import type { Tool } from "./tool.ts";
import { sayWithTools } from "./tool-terms.ts";

type Output = Readonly<Record<string, unknown>>;

/** How often a result is shortened further when what is left still takes too much */
const maxAttempts = 6;

/** What a client shows of a result */
type Limits = Pick<ClientTraits, "maxResultChars" | "maxResultLines">;

/**
 * A result as its client's model gets it: some show only `structuredContent`, some only text, so
 * that each has all of it. One that would be cut off by the client is shortened here, where it is
 * known what matters.
 */
export function toolResult({ operation }: Tool, output: Output, limits: Limits): CallToolResult {
  const { text, structured } = fitted(operation, output, limits);
  return { content: [{ type: "text", text }], structuredContent: structured };
}

/** A result in each of its forms, with as much in it as there is room for. */
export interface Presentation {
  readonly output: Output;
  /** With the names of JSON */
  readonly structured: Record<string, unknown>;
  readonly text: string;
}

export function fitted(operation: Operation, output: Output, limits: Limits): Presentation {
  const readable = operation.mcp?.readable ?? ((whole: Output) => whole);
  let room = limits.maxResultChars;
  let shown = presented(operation, readable(output, room));
  for (let attempt = 1; attempt < maxAttempts; attempt += 1) {
    const load = loadOf(shown, limits);
    if (load <= 1) break;
    // Quotes and line breaks take more in JSON than they are long.
    room = Math.floor(Math.min(room * 0.9, room / load));
    shown = presented(operation, readable(output, room));
  }
  return shown;
}

function presented(operation: Operation, output: Output): Presentation {
  const structured = toWire(operation.output, output) as Record<string, unknown>;
  return { output, structured, text: textOf(operation, output) };
}

/** More than 1 is more than the client shows. */
function loadOf({ structured, text }: Presentation, { maxResultChars, maxResultLines }: Limits): number {
  const chars = Math.max(JSON.stringify(structured).length, text.length);
  return Math.max(chars / maxResultChars, text.split("\n").length / maxResultLines);
}

/** A result laid out for reading. */
function textOf({ cli, mcp }: Operation, output: Output): string {
  if (mcp?.text) return mcp.text(output);
  const parts = [cli.content?.(output), cli.render?.(output), cli.summarize?.(output).join("\n")];
  return parts.filter((part) => part !== undefined && part !== "").join("\n");
}

const maxMessageChars = 600;

/** What was given may be in a message, whole. */
function short(text: string): string {
  return text.length <= maxMessageChars ? text : `${text.slice(0, maxMessageChars)}…`;
}

const usualHints: Readonly<Partial<Record<ErrorCode, string>>> = {
  timeout: "Try again.",
  unavailable: "Try again.",
  outcome_unknown: "Look with workspace_status and workspace_logs before it is repeated.",
};

/**
 * What went wrong and what to do, as text only, which every client shows of an error; for programs
 * there is the rest.
 */
export function errorResult(thrown: unknown, tools: readonly Tool[]): CallToolResult {
  const error = PyroError.from(thrown);
  const { code, message } = error;
  const sayCall = sayWithTools(tools);
  const advice = error.advice ?? usualHints[code];
  const lines = [
    `Error (${code}): ${short(message)}.`,
    ...(advice === undefined ? [] : [`What to do: ${short(sayAdvice(advice, sayCall))}`]),
  ];
  const _meta = { "pyro-mcp/error": { ...error.payload(sayCall), message: short(message) } };
  return { content: [{ type: "text", text: lines.join("\n") }], isError: true, _meta };
}
