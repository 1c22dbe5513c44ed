import { join } from "node:path";
import * as z from "zod";
import { messageOf } from "../../core/errors.ts";
import { version } from "../../core/version.ts";
import { checkWire } from "../../core/wire-case.ts";
import { readRecord, writeFact } from "../../host/files.ts";
import { hostPlatform } from "../../host/system.ts";
import { catalogVersion } from "../../images/catalog.ts";
import { findEnvironment } from "../../images/store.ts";
import { knownAccelerator } from "../accelerator.ts";
import type { EngineContext } from "../context.ts";
import { defaultShape } from "../shape.ts";
import { templateKeyOf } from "../templates/ensure.ts";
import { readTemplateRecord } from "../templates/store.ts";
import { findVmTools } from "../vm-tools.ts";

/**
 * The record that `prepare` leaves: proof that this host ran the environment, and the versions it
 * used.
 */
export const prepareManifestSchema = z.object({
  environment: z.string(),
  environmentVersion: z.string(),
  platform: z.string(),
  catalogVersion: z.string(),
  runtimeVersion: z.string(),
  preparedAt: z.string(),
  networkPrepared: z.boolean(),
  lastPrepareDurationMs: z.number(),
  /** Key of the template that the proof left ready */
  templateKey: z.string(),
});
checkWire(prepareManifestSchema, "prepare manifest");
export type PrepareManifest = z.output<typeof prepareManifestSchema>;

export const readinessStates = ["cold", "warm", "stale"] as const;

/** Whether the next machine of an environment starts at once, and if not, why. */
export interface Readiness {
  readonly status: (typeof readinessStates)[number];
  readonly reason: string;
  readonly manifest: PrepareManifest | undefined;
}

export async function readinessOf(context: EngineContext, environmentName: string): Promise<Readiness> {
  const read = await readRecord(manifestPath(context, environmentName), prepareManifestSchema);
  if (read.status === "absent") {
    return { status: "cold", reason: "it was never prepared on this host", manifest: undefined };
  }
  if (read.status === "unreadable") {
    return { status: "stale", reason: `its manifest cannot be read: ${read.reason}`, manifest: undefined };
  }
  const manifest = read.record;
  const reason = (await changeSince(context, manifest)) ?? (await templateLoss(context, manifest));
  if (reason !== undefined) return { status: "stale", reason, manifest };
  return { status: "warm", reason: `prepared at ${manifest.preparedAt}`, manifest };
}

/** Names the recorded version that has changed since. */
async function changeSince(context: EngineContext, manifest: PrepareManifest): Promise<string | undefined> {
  const installed = await installedVersion(context, manifest.environment);
  if ("problem" in installed) return installed.problem;
  const current = currentVersions(installed.version);
  for (const [name, value] of Object.entries(current) as [keyof typeof current, string][]) {
    if (manifest[name] !== value) return `${readableNames[name]} changed from ${manifest[name]} to ${value}`;
  }
  return undefined;
}

/** Why the next machine has to build a template first. */
async function templateLoss(
  context: EngineContext,
  { environment, templateKey }: PrepareManifest,
): Promise<string | undefined> {
  if (!(await readTemplateRecord(context.layout.templatesDir, templateKey))) return "its template is gone";
  const current = await currentTemplateKey(context, environment).catch(messageOf);
  return current === templateKey ? undefined : "QEMU, the guest agent or the accelerator is another one now";
}

/**
 * The key of the template for a machine of the default shape now; fails if a part of it is missing.
 */
async function currentTemplateKey(context: EngineContext, environmentName: string): Promise<string | undefined> {
  const { driver } = await findVmTools(context);
  const environment = await findEnvironment(context.layout, environmentName);
  const decision = await knownAccelerator(context, driver.features);
  if (!environment || !decision) return undefined;
  return templateKeyOf(context, { driver, environment, shape: defaultShape, accelerator: decision.accelerator });
}

export async function recordPrepared(
  context: EngineContext,
  facts: Omit<PrepareManifest, keyof ReturnType<typeof currentVersions> | "preparedAt"> & {
    readonly environmentVersion: string;
  },
): Promise<PrepareManifest> {
  const manifest: PrepareManifest = {
    ...facts,
    ...currentVersions(facts.environmentVersion),
    preparedAt: new Date().toISOString(),
  };
  await writeFact(manifestPath(context, facts.environment), prepareManifestSchema, manifest);
  return manifest;
}

const readableNames = {
  environmentVersion: "the environment's version",
  platform: "the platform",
  catalogVersion: "the catalog's version",
  runtimeVersion: "pyro's version",
} as const;

function currentVersions(environmentVersion: string) {
  return { environmentVersion, platform: hostPlatform(), catalogVersion, runtimeVersion: version };
}

async function installedVersion(
  { layout }: EngineContext,
  name: string,
): Promise<{ version: string } | { problem: string }> {
  try {
    const environment = await findEnvironment(layout, name);
    return environment ? { version: environment.version } : { problem: "the environment is not installed any more" };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

function manifestPath({ layout }: EngineContext, environmentName: string): string {
  return join(layout.factsDir, `prepared-${environmentName.replaceAll(":", "-")}.json`);
}
