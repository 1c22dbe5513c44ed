import { access, constants } from "node:fs/promises";
import { PyroError } from "../../core/errors.ts";
import { type Hint, hint, toRun } from "../../core/hint.ts";
import { freeBytes } from "../../host/disk-space.ts";
import { ensureDir, fileError } from "../../host/files.ts";
import { findProgram } from "../../host/process.ts";
import { hostPlatform, requireSupportedPlatform } from "../../host/system.ts";
import { catalogEntry, catalogVersion } from "../../images/catalog.ts";
import { environmentBuildIssues } from "../../images/pull.ts";
import { type BootableEnvironment, findEnvironment } from "../../images/store.ts";
import {
  type AcceleratorDecision,
  chooseAccelerator,
  type KvmAccess,
  knownAccelerator,
  kvmAccess,
  type MachineSource,
} from "../accelerator.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import { defaultShape } from "../shape.ts";
import { digestOfAgent, templateKeyOf } from "../templates/ensure.ts";
import { findTemplate } from "../templates/store.ts";
import { findVmTools, type VmTools } from "../vm-tools.ts";
import { type Readiness, readinessOf } from "./readiness.ts";

/** A thing that keeps machines from working, now or soon, and the one thing to do about it. */
export interface Issue {
  readonly message: string;
  readonly hint: string | Hint | null;
}

export interface Diagnosis {
  readonly platform: string;
  readonly vmm: { readonly name: string; readonly version: string; readonly path: string } | null;
  readonly kvm: KvmAccess;
  readonly accelerator: { readonly name: string; readonly evidence: string };
  readonly cacheDir: string;
  readonly cacheFreeBytes: number;
  readonly catalogVersion: string;
  readonly capabilities: { readonly vmBoot: boolean; readonly guestExec: boolean; readonly guestNetwork: boolean };
  readonly readiness: Readiness;
  readonly issues: readonly Issue[];
}

/** Space for a template of the default shape, and some for the work itself */
const wantedFreeBytes = 1024 ** 3;

/** Looks at everything that a machine needs, installs nothing, and proves KVM if need be. */
export async function diagnose(
  context: EngineContext,
  request: { readonly platform: string; readonly environment: string },
  options: EngineCallOptions,
): Promise<Diagnosis> {
  catalogEntry(request.environment);
  const issues = new Issues();
  requireSupportedPlatform(request.platform);
  const tools = await issues.guard(() => findVmTools(context));
  await issues.guard(() => requireHostPrograms(context));
  await issues.guard(() => digestOfAgent(context));
  // A cache that cannot be used is one issue, not five, so its content is not looked at.
  const isCacheUsable = await issues.guard(() => requireUsableCache(context));
  const environment = isCacheUsable && (await checkEnvironment(context, request.environment, issues));
  const decision = isCacheUsable && (await decideAccelerator(context, { tools, environment }, options, issues));
  if (tools && environment && decision) await checkTemplate(context, { ...tools, environment, ...decision }, issues);
  const readiness = await readinessOf(context, request.environment);
  // Only `prepare` proves it, and only until something changes.
  const isProved = issues.found.length === 0 && readiness.status === "warm";
  return {
    platform: hostPlatform(),
    vmm: tools ? vmmOf(tools) : null,
    kvm: await kvmAccess(),
    accelerator: {
      name: decision?.accelerator ?? "unknown",
      evidence: decision?.evidence ?? "no guest was booted yet",
    },
    cacheDir: context.layout.environmentsDir,
    cacheFreeBytes: await freeBytes(context.layout.environmentsDir).catch(() => 0),
    catalogVersion,
    capabilities: {
      vmBoot: isProved,
      guestExec: isProved,
      guestNetwork: isProved && readiness.manifest?.networkPrepared === true,
    },
    readiness,
    issues: issues.found,
  };
}

function vmmOf({ driver }: VmTools): Diagnosis["vmm"] {
  const { vmm, version, path } = driver.features;
  return { name: vmm, version, path };
}

class Issues {
  readonly found: Issue[] = [];

  /** Runs a check; an error of it becomes an issue. */
  async guard<T>(check: () => Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      const { message, advice, code } = PyroError.from(error);
      if (code === "cancelled") throw error;
      this.found.push({ message, hint: advice ?? null });
      return undefined;
    }
  }
}

async function requireHostPrograms({ searchPath }: EngineContext): Promise<void> {
  for (const program of ["setpriv", "flock"]) {
    if (await findProgram(program, searchPath)) continue;
    throw new PyroError("unavailable", `cannot tie virtual machines to their owner: '${program}' is not in PATH`, {
      hint: "Install the package util-linux.",
    });
  }
}

/** Checks the folders that pyro writes to, and their free space. */
async function requireUsableCache({ layout }: EngineContext): Promise<true> {
  const { environmentsDir, templatesDir, factsDir, locksDir, scratchDir } = layout;
  for (const dir of [environmentsDir, templatesDir, factsDir, locksDir, scratchDir]) await requireWritable(dir);
  for (const dir of [environmentsDir, templatesDir]) await requireRoom(dir);
  return true;
}

async function requireWritable(dir: string): Promise<void> {
  await ensureDir(dir);
  await access(dir, constants.W_OK).catch((error: unknown) => {
    throw fileError(`cannot write to '${dir}'`, error);
  });
}

async function requireRoom(dir: string): Promise<void> {
  const free = await freeBytes(dir);
  if (free >= wantedFreeBytes) return;
  const mib = (bytes: number) => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  throw new PyroError("resource_exhausted", `'${dir}' has only ${mib(free)} free, ${mib(wantedFreeBytes)} are wanted`, {
    hint: "Free some space, or set PYRO_CACHE_DIR to a folder on a larger disk.",
  });
}

async function checkEnvironment(
  context: EngineContext,
  name: string,
  issues: Issues,
): Promise<BootableEnvironment | undefined> {
  const environment = await issues.guard(() => findEnvironment(context.layout, name));
  if (!environment && issues.found.length === 0) issues.found.push(...(await environmentBuildIssues(context)));
  return environment;
}

interface Parts {
  readonly tools: VmTools | undefined;
  readonly environment: BootableEnvironment | undefined;
}

async function decideAccelerator(
  context: EngineContext,
  { tools, environment }: Parts,
  options: EngineCallOptions,
  issues: Issues,
): Promise<AcceleratorDecision | undefined> {
  if (!tools) return undefined;
  const known = await issues.guard(() => knownAccelerator(context, tools.driver.features));
  if (known || !environment || issues.found.length > 0) return known;
  return issues.guard(() => chooseAccelerator(context, { ...tools, environment }, options));
}

async function checkTemplate(
  context: EngineContext,
  source: MachineSource & AcceleratorDecision,
  issues: Issues,
): Promise<void> {
  await issues.guard(async () => {
    const key = await templateKeyOf(context, { ...source, shape: defaultShape });
    const lookup = await findTemplate({ ...context.layout, key }, source.disks);
    if (lookup.status !== "damaged") return;
    const { name } = source.environment;
    throw new PyroError("failed_precondition", `the template of '${name}' is damaged: ${lookup.reason}`, {
      hint: hint`${toRun("prepare", { environment: name, force: true })}; without that the next use rebuilds it.`,
    });
  });
}
