import type { PyroError } from "../core/errors.ts";
import { sayHint } from "../core/hint.ts";
import { sayInCommandLine } from "../operations/command-line.ts";
import type { OperationProgress } from "../operations/operation.ts";

/** Phases after an environment is installed. The others install it */
const preparePhases: ReadonlySet<OperationProgress["phase"]> = new Set([
  "prove-kvm",
  "build-template",
  "wait-template",
]);

export function formatError({ message, advice }: PyroError): string {
  const hint = advice === undefined ? "" : ` (${sayHint(advice, sayInCommandLine)})`;
  return formatLine(`[error] ${message}${hint}`);
}

export function formatProgress(progress: OperationProgress): string {
  if (!("environment" in progress)) return formatLine(`[${progress.phase}] ${progress.detail}`);
  const { phase, environment, detail } = progress;
  const label = preparePhases.has(phase) ? "prepare" : "pull";
  return formatLine(`[${label}] phase=${phase} environment=${environment}${detail === undefined ? "" : ` ${detail}`}`);
}

/**
 * Text as one line. A guest's words could otherwise control the terminal or look like a line of
 * pyro's.
 */
export function formatLine(text: string): string {
  return `${escapeControls(text.replaceAll(/\s*\n\s*/g, " "))}\n`;
}

/** Any result as lines of `name: value`, for operations that define no text. */
export function formatTable(output: Readonly<Record<string, unknown>>): string {
  return Object.entries(output)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`)
    .join("");
}

/** Control characters, except for the ends of lines and those in `kept`, as `\x1b`. */
export function escapeControls(text: string, kept = ""): string {
  return text.replaceAll(/(?!\n)\p{Cc}/gu, (control) => {
    if (kept.includes(control)) return control;
    return `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
