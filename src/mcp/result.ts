import type { CallToolResult } from "@modelcontextprotocol/server";
import { type ErrorCode, PyroError } from "../core/errors.ts";
import { sayAdvice } from "../core/hint.ts";
import { toWire } from "../core/wire-case.ts";
import type { Operation } from "../operations/operation.ts";
import type { ClientTraits, ResultForm } from "./clients.ts";
import { excerptOf, firstLineOf, withoutUsual } from "./forms/excerpt.ts";
import type { Tool } from "./tool.ts";
import { sayWithTools } from "./tool-terms.ts";

type Output = Readonly<Record<string, unknown>>;
type Structured = Record<string, unknown>;

/** Limit for attempts to shorten a result that is still too long */
const maxAttempts = 6;

/** The part of a result that a client shows */
type Limits = Pick<ClientTraits, "maxResultChars" | "maxResultLines"> & Partial<Pick<ClientTraits, "shows">>;

/**
 * A result for a client's model. Some clients show only `structuredContent`, some only text. Where
 * it is known which one, the other is an excerpt; else each has all of it. If the client would cut
 * it off, it is shortened here, because this code knows what matters.
 */
export function toolResult({ operation }: Tool, output: Output, limits: Limits): CallToolResult {
  const { text, structured } = fitted(operation, output, limits);
  return { content: [{ type: "text", text }], structuredContent: structured };
}

/** A result in each of its forms, shortened to the client's limits. */
export interface Presentation {
  readonly output: Output;
  /** Output with the names of JSON */
  readonly structured: Structured;
  readonly text: string;
}

export function fitted(operation: Operation, output: Output, limits: Limits): Presentation {
  const shortened = operation.mcp?.shortened ?? ((whole: Output) => whole);
  const { shows = "either" } = limits;
  let room = Math.min(limits.maxResultChars, operation.mcp?.maxChars ?? Infinity);
  let shown = presented(operation, shortened(output, room), shows);
  for (let attempt = 1; attempt < maxAttempts; attempt += 1) {
    const load = loadOf(shown, limits);
    if (load <= 1) break;
    // Quotes and line breaks take more space in JSON.
    room = Math.floor(Math.min(room * 0.9, room / load));
    shown = presented(operation, shortened(output, room), shows);
  }
  return shown;
}

function presented(operation: Operation, output: Output, shows: ResultForm): Presentation {
  const structured = toWire(operation.output, output) as Structured;
  const text = textOf(operation, output);
  if (shows === "structured") return { output, structured: withoutUsual(structured), text: firstLineOf(text) };
  return { output, text, structured: shows === "text" ? excerptOf(structured) : structured };
}

/** The share of the client's limits that a result takes; above 1 it is too long. */
function loadOf({ structured, text }: Presentation, { maxResultChars, maxResultLines }: Limits): number {
  const chars = Math.max(JSON.stringify(structured).length, text.length);
  return Math.max(chars / maxResultChars, text.split("\n").length / maxResultLines);
}

/** A result as text for a reader. */
function textOf({ cli, mcp }: Operation, output: Output): string {
  if (mcp?.text) return mcp.text(output);
  const parts = [cli?.raw?.(output), cli?.text?.(output), cli?.notes?.(output).join("\n")];
  return parts.filter((part) => part !== undefined && part !== "").join("\n");
}

const maxMessageChars = 600;

/** Shortens a message, which can contain an argument as a whole. */
function short(text: string): string {
  return text.length <= maxMessageChars ? text : `${text.slice(0, maxMessageChars)}…`;
}

const usualHints: Readonly<Partial<Record<ErrorCode, string>>> = {
  timeout: "Try again.",
  unavailable: "Try again.",
  outcome_unknown: "Look with workspace_status and workspace_logs before it is repeated.",
};

/**
 * An error and what to do, as text, which every client shows. `_meta` has the rest for programs.
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
