import { PyroError } from "../core/errors.ts";
import { forgetVerdict } from "./accelerator.ts";
import type { SandboxCallOptions, SandboxContext } from "./context.ts";
import { defaultShape } from "./machine.ts";
import { openSandbox } from "./open.ts";
import { type PrepareManifest, readinessOf, recordPrepared } from "./readiness.ts";
import type { Sandbox } from "./sandbox.ts";

export interface PrepareRequest {
  readonly environment: string;
  /** Rebuild the template and prove everything again, even when it is warm */
  readonly force: boolean;
}

export interface PrepareOutcome {
  readonly manifest: PrepareManifest;
  /** An earlier preparation was good enough */
  readonly reused: boolean;
}

const proofTimeoutMs = 30_000;
/** Written in one machine and not to be found in the next */
const witnessPath = "/root/.pyro-prepare";

/** Makes the next sandbox start at once, and proves on a throwaway one that create, exec, reset and delete work on this host. */
export async function prepareEnvironment(
  context: SandboxContext,
  request: PrepareRequest,
  options: SandboxCallOptions,
): Promise<PrepareOutcome> {
  const { environment, force } = request;
  const readiness = await readinessOf(context, environment);
  if (!force && readiness.status === "warm" && readiness.manifest)
    return { manifest: readiness.manifest, reused: true };
  const startedMs = performance.now();
  if (force) await forgetVerdict(context);
  const { environmentVersion, templateKey } = await proveCreateAndExec(context, request, options);
  await proveReset(context, request, options);
  const manifest = await recordPrepared(context, {
    ...{ environment, environmentVersion, templateKey, networkPrepared: false },
    lastPrepareDurationMs: Math.round(performance.now() - startedMs),
  });
  return { manifest, reused: false };
}

async function proveCreateAndExec(
  context: SandboxContext,
  { environment, force }: PrepareRequest,
  options: SandboxCallOptions,
): Promise<{ environmentVersion: string; templateKey: string }> {
  await using sandbox = await openSandbox(context, { environment, shape: defaultShape, rebuild: force }, options);
  await expectSuccess(sandbox, ["/bin/sh", "-c", `echo here > ${witnessPath}`], options);
  return { environmentVersion: sandbox.environmentVersion, templateKey: sandbox.templateKey };
}

async function proveReset(
  context: SandboxContext,
  { environment }: PrepareRequest,
  options: SandboxCallOptions,
): Promise<void> {
  await using sandbox = await openSandbox(context, { environment, shape: defaultShape }, options);
  await expectSuccess(sandbox, ["/bin/sh", "-c", `test ! -e ${witnessPath}`], options);
}

async function expectSuccess(sandbox: Sandbox, argv: string[], { signal }: SandboxCallOptions): Promise<void> {
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString("utf8");
  };
  const spec = { argv, timeoutMs: proofTimeoutMs, stdin: false };
  const ending = await sandbox.exec(spec, { onStdout: keep, onStderr: keep, signal });
  if (ending.exitCode === 0) return;
  throw new PyroError("internal", `a prepared machine does not work: '${argv.join(" ")}' failed: ${output.trim()}`, {
    hint: "Run `pyro doctor`.",
    details: { ...ending },
  });
}
