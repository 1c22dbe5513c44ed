import type { PyroError } from "../core/errors.ts";
import type { SandboxProgress } from "../sandbox/context.ts";

export function formatError({ message, hint }: PyroError): string {
  return `[error] ${message}${hint === undefined ? "" : ` (${hint})`}\n`;
}

export function formatProgress({ phase, environment, detail }: SandboxProgress): string {
  return `[pull] phase=${phase} environment=${environment}${detail === undefined ? "" : ` ${detail}`}\n`;
}

/** Any result as lines of `name: value`, for operations without a form of their own. */
export function formatTable(output: Readonly<Record<string, unknown>>): string {
  return Object.entries(output)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`)
    .join("");
}
