import { type Hint, type SayCall, sayHint, sayInLibrary } from "./hint.ts";
import { camelCase, snakeCase } from "./snake-case.ts";

/** Every way an operation can fail, with the CLI's exit code and whether a retry can help. */
export const errorCodes = {
  invalid_argument: { exitCode: 2, retryable: false },
  not_found: { exitCode: 1, retryable: false },
  already_exists: { exitCode: 1, retryable: false },
  port_in_use: { exitCode: 1, retryable: false },
  failed_precondition: { exitCode: 1, retryable: false },
  resource_exhausted: { exitCode: 1, retryable: false },
  unsupported: { exitCode: 1, retryable: false },
  cancelled: { exitCode: 130, retryable: true },
  timeout: { exitCode: 1, retryable: true },
  unavailable: { exitCode: 1, retryable: true },
  /** It may have happened, so do not repeat it blindly */
  outcome_unknown: { exitCode: 1, retryable: false },
  internal: { exitCode: 1, retryable: false },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface PyroErrorOptions {
  /** One thing to do, as an imperative sentence */
  readonly hint?: string | Hint | undefined;
  /** Facts for a program: paths, figures, captured output */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An error as JSON has it on every surface, with the hint in that surface's terms. */
export interface ErrorPayload {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly retryable: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The only error class. It is thrown if an operation did not happen, never for a guest command that
 * failed.
 */
export class PyroError extends Error {
  override readonly name = "PyroError";
  readonly code: ErrorCode;
  /** One thing to do, for each surface to say in its own terms */
  readonly advice: Hint | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: PyroErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.advice = typeof options.hint === "string" ? [options.hint] : options.hint;
    this.details = options.details;
  }

  /** Wraps anything thrown, for a surface that reports it. */
  static from(thrown: unknown): PyroError {
    if (thrown instanceof PyroError) return thrown;
    if (thrown instanceof Error && thrown.name === "AbortError") {
      return new PyroError("cancelled", "the operation was cancelled", { cause: thrown });
    }
    return new PyroError("internal", messageOf(thrown), { cause: thrown });
  }

  /** One thing to do, in the terms of the library */
  get hint(): string | undefined {
    return this.advice && sayHint(this.advice, sayInLibrary);
  }

  /** Whether the same call can succeed later */
  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  get exitCode(): number {
    return errorCodes[this.code].exitCode;
  }

  toJSON(): ErrorPayload {
    return this.payload(sayInLibrary);
  }

  payload(sayCall: SayCall): ErrorPayload {
    return {
      code: this.code,
      message: this.message,
      hint: this.advice ? sayHint(this.advice, sayCall) : null,
      retryable: this.retryable,
      ...(this.details === undefined ? {} : { details: renamed(this.details, snakeCase) }),
    };
  }
}

function renamed(
  details: Readonly<Record<string, unknown>>,
  rename: (name: string) => string,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [rename(name), value]));
}

/** Details of an error that has come as JSON, as they were where it was thrown. */
export function fromWireNames(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return renamed(details, camelCase);
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of a Node system error, such as `ENOENT`. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
