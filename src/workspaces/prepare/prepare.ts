import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { forgetVerdict } from "../../machines/accelerator.ts";
import type { EngineCallOptions, EngineContext } from "../../machines/context.ts";
import { type PrepareManifest, readinessOf, recordPrepared } from "../../machines/doctor/readiness.ts";
import { ensureEnvironment } from "../../machines/ensure-environment.ts";
import { defaultShape } from "../../machines/shape.ts";
import { ensureTemplate } from "../../machines/templates/ensure.ts";
import type { Template } from "../../machines/templates/store.ts";
import { findVmTools } from "../../machines/vm-tools.ts";
import { offline } from "../../network/policy/rules.ts";
import { resetWorkspace } from "../checkpoint/caller.ts";
import { execInWorkspace } from "../command/caller.ts";
import { deleteWorkspace } from "../life/caller.ts";
import { createWorkspace } from "../life/create.ts";
import { baselineName } from "../record/record.ts";
import { proveNetwork } from "./network-proof.ts";

export interface PrepareRequest {
  readonly environment: string;
  /** Rebuild the template and prove everything again, even when it is warm */
  readonly force: boolean;
  /** Prove a guest's network too */
  readonly network: boolean;
}

export interface PrepareOutcome {
  readonly manifest: PrepareManifest;
  /** An earlier preparation was good enough */
  readonly reused: boolean;
}

const proofTimeoutMs = 30_000;
/** Time to live of the throwaway workspace, in case this process is killed */
const proofTtlMs = 600_000;
/** A file written before the reset, which must be gone after it */
const witnessPath = "/root/.pyro-prepare";

/**
 * Makes the next workspace start fast, and proves with a throwaway one that create, exec, reset and
 * delete work here.
 */
export async function prepareEnvironment(
  context: EngineContext,
  request: PrepareRequest,
  options: EngineCallOptions,
): Promise<PrepareOutcome> {
  const { environment, force, network } = request;
  const { status, manifest: known } = await readinessOf(context, environment);
  const isWarm = status === "warm";
  if (!force && isWarm && known && (known.networkPrepared || !network)) return { manifest: known, reused: true };
  const startedMs = performance.now();
  if (force) await forgetVerdict(context);
  const { record } = await makeReady(context, request, options);
  const environmentVersion = await proveWorkspace(context, environment, options);
  if (network) await proveNetwork(context, environment, options);
  const manifest = await recordPrepared(context, {
    environment,
    environmentVersion,
    templateKey: record.key,
    networkPrepared: network || (isWarm && known?.networkPrepared === true),
    lastPrepareDurationMs: Math.round(performance.now() - startedMs),
  });
  return { manifest, reused: false };
}

async function makeReady(
  context: EngineContext,
  request: PrepareRequest,
  options: EngineCallOptions,
): Promise<Template> {
  const tools = await findVmTools(context);
  const environment = await ensureEnvironment(context, request.environment, options);
  const accept = request.force ? () => false : undefined;
  return ensureTemplate(context, { ...tools, environment, shape: defaultShape }, { ...options, accept });
}

/** The version of the environment that was proved. */
async function proveWorkspace(
  context: EngineContext,
  environment: string,
  options: EngineCallOptions,
): Promise<string> {
  const throwaway = { ttlMs: proofTtlMs, name: "prepare", labels: {}, network: offline, hostCertificates: false };
  const { record } = await createWorkspace(context, { environment, shape: defaultShape, ...throwaway }, options);
  const { workspaceId } = record;
  try {
    await expectSuccess(context, workspaceId, `echo here > ${witnessPath}`, options);
    await resetWorkspace({ context, workspaceId, signal: options.signal }, baselineName);
    await expectSuccess(context, workspaceId, `test ! -e ${witnessPath}`, options);
  } catch (error) {
    await deleteWorkspace({ context, workspaceId }).catch(() => {
      // The first failure is the one to report.
    });
    throw error;
  }
  await deleteWorkspace({ context, workspaceId });
  return record.environment.version;
}

async function expectSuccess(
  context: EngineContext,
  workspaceId: string,
  command: string,
  { signal }: EngineCallOptions,
): Promise<void> {
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString("utf8");
  };
  const request = { workspaceId, command, timeoutMs: proofTimeoutMs };
  const ending = await execInWorkspace(context, request, { onStdout: keep, onStderr: keep, signal });
  if (ending.exitCode === 0) return;
  throw new PyroError("internal", `a prepared workspace does not work: '${command}' failed: ${output.trim()}`, {
    hint: hint`${toRun("doctor")}.`,
    details: { ...ending },
  });
}
