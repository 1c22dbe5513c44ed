import type * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { encodeStdin } from "../../guest/exec.ts";
import { type ExecEnding, type ExecSpec, nothingReported } from "../../guest/messages.ts";
import { aboutCertificates, addedCertificates, type hostCertificateSchema } from "../../network/certificates/host.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";
import type { NetworkUse } from "../../network/use.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import { installCertificates } from "../guest/certificates.ts";
import { attachEgress, openEgress } from "../guest/network.ts";
import { guestVariables } from "../guest/variables.ts";
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
  /** Limit for the machine, and so for the command */
  readonly ttlMs: number;
  /** What the guest may reach */
  readonly network: NetworkRules;
  /** Whether it trusts the host's certificate authorities */
  readonly hostCertificates: boolean;
  /** Whether to run on the host, without any isolation, if no guest can run */
  readonly allowHostCompat: boolean;
}

export interface RunOutcome {
  readonly ending: ExecEnding;
  readonly executionMode: "guest" | "host_compat";
  /** null for a command on the host */
  readonly isolation: Isolation | null;
  /** Why the command ran on the host; null for one in a guest */
  readonly hostCompatReason: string | null;
  /** What the command did in the network */
  readonly network: NetworkUse;
  /** Authorities of the host that the guest trusted */
  readonly hostCertificates: z.output<typeof hostCertificateSchema>[];
  /** Time from the request to the end of the command */
  readonly durationMs: number;
  /** Time from the request until the machine could take a command */
  readonly readyMs: number;
}

const commandLabel = "run";

/** How late the output of a command may arrive that the guest ended at the machine's limit */
const ttlGraceMs = 5_000;

/** Takes the command's streams as they come. */
export interface RunOptions extends EngineCallOptions, HostStreams {}

/** Runs one command in a new machine, which then disappears. */
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
    label: commandLabel,
  };
  const egress = await openEgress(context, request.network);
  const opened = await openOrExplain(context, request, options);
  const readyMs = performance.now() - startedMs;
  if ("hostCompatReason" in opened) {
    const ending = await runOnHost(spec, { ...options, searchPath: context.searchPath });
    const durationMs = performance.now() - startedMs;
    return {
      ...opened,
      ending,
      readyMs,
      durationMs,
      executionMode: "host_compat",
      isolation: null,
      network: null,
      hostCertificates: [],
    };
  }
  await using machine = opened;
  const certificates = request.hostCertificates ? await addedCertificates({ files: context.certificateFiles }) : [];
  if (certificates.length > 0) await installCertificates(machine, certificates, options.signal);
  await using _ = attachEgress(machine.agent, egress);
  const lifetime = AbortSignal.timeout(Math.ceil(request.ttlMs) + ttlGraceMs);
  const signal = options.signal ? AbortSignal.any([options.signal, lifetime]) : lifetime;
  const ending = await machine
    .exec(
      { ...spec, env: guestVariables(request.network.mode, certificates) },
      { ...options, input: options.stdin && encodeStdin(options.stdin), signal },
    )
    .catch(async (error: unknown) => {
      if (lifetime.aborted && !options.signal?.aborted) throw expired(request.ttlMs);
      if (PyroError.from(error).code !== "timeout") throw error;
      // It escaped the guest's own limit, but not the end of the machine.
      await machine.close();
      return { ...nothingReported, timedOut: true, durationMs: spec.timeoutMs };
    });
  const durationMs = performance.now() - startedMs;
  const network = egress.takeUseOf(commandLabel);
  await egress.close();
  const { isolation } = machine;
  return {
    ending,
    readyMs,
    durationMs,
    executionMode: "guest",
    isolation,
    network,
    hostCertificates: aboutCertificates(certificates),
    hostCompatReason: null,
  };
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

/** Whether the host can run no guest: no mistake, cancellation or bug justifies the host. */
function meansNoGuest(error: unknown): boolean {
  const { code } = PyroError.from(error);
  return code === "unavailable" || code === "unsupported";
}

function expired(ttlMs: number): PyroError {
  return new PyroError("timeout", `the machine's time to live of ${ttlMs / 1000} s ended before its output was read`);
}
