import { type ErrorCode, PyroError } from "../core/errors.ts";
import type { ExecOptions } from "../wire/exec.ts";
import type { ExecEnding, ExecSpec } from "../wire/messages.ts";
import type { SandboxCallOptions, SandboxContext } from "./context.ts";
import { runOnHost } from "./host-compat.ts";
import type { MachineShape } from "./machine.ts";
import { openSandbox } from "./open.ts";
import type { Isolation, Sandbox } from "./sandbox.ts";

export interface RunRequest {
  readonly environment: string;
  readonly argv: readonly string[];
  readonly shape: MachineShape;
  /** Limit for the command */
  readonly timeoutMs: number;
  /** Limit for the machine; a command cannot outlive it */
  readonly ttlMs: number;
  /** Run on the host, without any isolation, when no guest can be had */
  readonly allowHostCompat: boolean;
}

export interface RunOutcome {
  readonly ending: ExecEnding;
  readonly executionMode: "guest" | "host_compat";
  /** null when nothing isolated the command */
  readonly isolation: Isolation | null;
  /** Why the command ran on the host */
  readonly hostCompatReason: string | null;
  /** From the request to the end of the command */
  readonly durationMs: number;
  /** From the request until the machine could take a command */
  readonly readyMs: number;
}

export type RunOptions = SandboxCallOptions & Pick<ExecOptions, "stdin" | "onStdout" | "onStderr">;

/** Runs one command in a machine of its own, which is gone afterwards. */
export async function runCommand(
  context: SandboxContext,
  request: RunRequest,
  options: RunOptions,
): Promise<RunOutcome> {
  const startedMs = performance.now();
  const spec: ExecSpec = {
    argv: [...request.argv],
    timeoutMs: Math.min(request.timeoutMs, request.ttlMs),
    stdin: options.stdin !== undefined,
  };
  const opened = await openOrExplain(context, request, options);
  const readyMs = performance.now() - startedMs;
  if ("hostCompatReason" in opened) {
    const ending = await runOnHost(spec, options);
    const durationMs = performance.now() - startedMs;
    return { ...opened, ending, readyMs, durationMs, executionMode: "host_compat", isolation: null };
  }
  await using sandbox = opened;
  const ending = await sandbox.exec(spec, options);
  const durationMs = performance.now() - startedMs;
  return { ending, readyMs, durationMs, executionMode: "guest", isolation: sandbox.isolation, hostCompatReason: null };
}

async function openOrExplain(
  context: SandboxContext,
  request: RunRequest,
  options: RunOptions,
): Promise<Sandbox | { readonly hostCompatReason: string }> {
  try {
    return await openSandbox(context, request, options);
  } catch (error) {
    if (!request.allowHostCompat || !meansNoGuest(error)) throw error;
    return { hostCompatReason: PyroError.from(error).message };
  }
}

/** Only a host that cannot give a guest justifies running on it; a mistake in the request or a cancellation does not. */
function meansNoGuest(error: unknown): boolean {
  const codes: readonly ErrorCode[] = [
    "unavailable",
    "unsupported",
    "failed_precondition",
    "resource_exhausted",
    "timeout",
    "internal",
  ];
  return codes.includes(PyroError.from(error).code);
}
