import { PyroError } from "../../core/errors.ts";
import { encodeStdin } from "../../guest/exec.ts";
import { type ExecEnding, type ExecSpec, nothingReported } from "../../guest/messages.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import { commandSpec, type GuestCommand } from "../guest-command.ts";
import type { Isolation, Machine } from "../machine.ts";
import type { MachineShape } from "../shape.ts";
import { type HostStreams, runOnHost } from "./host-compat.ts";
import { openOneOff } from "./open.ts";

export interface RunRequest {
  readonly environment: string;
  readonly command: GuestCommand;
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

/** The command is ended at the machine's limit by the guest; what it printed may take a little longer to arrive */
const ttlGraceMs = 5_000;

/** Takes the command's streams as they come. */
export interface RunOptions extends EngineCallOptions, HostStreams {}

/** Runs one command in a machine of its own, which is gone afterwards. */
export async function runCommand(
  context: EngineContext,
  request: RunRequest,
  options: RunOptions,
): Promise<RunOutcome> {
  const startedMs = performance.now();
  const spec: ExecSpec = {
    ...commandSpec(request.command),
    timeoutMs: Math.ceil(Math.min(request.timeoutMs, request.ttlMs)),
    stdin: options.stdin !== undefined,
  };
  const opened = await openOrExplain(context, request, options);
  const readyMs = performance.now() - startedMs;
  if ("hostCompatReason" in opened) {
    const ending = await runOnHost(spec, { ...options, searchPath: context.searchPath });
    const durationMs = performance.now() - startedMs;
    return { ...opened, ending, readyMs, durationMs, executionMode: "host_compat", isolation: null };
  }
  await using machine = opened;
  const lifetime = AbortSignal.timeout(Math.ceil(request.ttlMs) + ttlGraceMs);
  const signal = options.signal ? AbortSignal.any([options.signal, lifetime]) : lifetime;
  const ending = await machine
    .exec(spec, { ...options, input: options.stdin && encodeStdin(options.stdin), signal })
    .catch(async (error: unknown) => {
      if (lifetime.aborted && !options.signal?.aborted) throw expired(request.ttlMs);
      if (PyroError.from(error).code !== "timeout") throw error;
      // It escaped the guest's own limit; with the machine everything in it ends.
      await machine.close();
      return { ...nothingReported, timedOut: true, durationMs: spec.timeoutMs };
    });
  const durationMs = performance.now() - startedMs;
  return { ending, readyMs, durationMs, executionMode: "guest", isolation: machine.isolation, hostCompatReason: null };
}

async function openOrExplain(
  context: EngineContext,
  request: RunRequest,
  options: RunOptions,
): Promise<Machine | { readonly hostCompatReason: string }> {
  try {
    return await openOneOff(context, request, options);
  } catch (error) {
    if (!request.allowHostCompat || !meansNoGuest(error)) throw error;
    return { hostCompatReason: PyroError.from(error).message };
  }
}

/** Only a host that has no guests to give justifies running on it: no mistake, no cancellation, and no fault of ours. */
function meansNoGuest(error: unknown): boolean {
  const { code } = PyroError.from(error);
  return code === "unavailable" || code === "unsupported";
}

function expired(ttlMs: number): PyroError {
  return new PyroError("timeout", `the machine's time to live of ${ttlMs / 1000} s ended before its output was read`);
}
