import { join } from "node:path";
import * as z from "zod";
import { messageOf } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { catalogVersion } from "../environments/catalog.ts";
import { findEnvironment } from "../environments/store.ts";
import { readRecord, writeRecord } from "../host/files.ts";
import { hostPlatform } from "../host/system.ts";
import type { SandboxContext } from "./context.ts";

/** What `prepare` leaves behind: proof that this host ran the environment, and with which versions. */
export const prepareManifestSchema = z.object({
  environment: z.string(),
  environmentVersion: z.string(),
  platform: z.string(),
  catalogVersion: z.string(),
  runtimeVersion: z.string(),
  preparedAt: z.string(),
  networkPrepared: z.boolean(),
  lastPrepareDurationMs: z.number(),
});
export type PrepareManifest = z.output<typeof prepareManifestSchema>;

export const readinessStates = ["cold", "warm", "stale"] as const;

/** Whether the next sandbox of an environment starts at once, and if not, why. */
export interface Readiness {
  readonly status: (typeof readinessStates)[number];
  readonly reason: string;
  readonly manifest: PrepareManifest | undefined;
}

export async function readinessOf(context: SandboxContext, environmentName: string): Promise<Readiness> {
  const read = await readRecord(manifestPath(context, environmentName), prepareManifestSchema);
  if (read.status === "absent")
    return { status: "cold", reason: "it was never prepared on this host", manifest: undefined };
  if (read.status === "unreadable") {
    return { status: "stale", reason: `its manifest cannot be read: ${read.reason}`, manifest: undefined };
  }
  const manifest = read.record;
  const installed = await installedVersion(context, environmentName);
  if ("problem" in installed) return { status: "stale", reason: installed.problem, manifest };
  const current = currentVersions(installed.version);
  for (const [name, value] of Object.entries(current) as [keyof typeof current, string][]) {
    if (manifest[name] !== value) {
      return { status: "stale", reason: `${readableNames[name]} changed from ${manifest[name]} to ${value}`, manifest };
    }
  }
  return { status: "warm", reason: `prepared at ${manifest.preparedAt}`, manifest };
}

export async function recordPrepared(
  context: SandboxContext,
  facts: Pick<PrepareManifest, "environment" | "environmentVersion" | "networkPrepared" | "lastPrepareDurationMs">,
): Promise<PrepareManifest> {
  const manifest: PrepareManifest = {
    ...facts,
    ...currentVersions(facts.environmentVersion),
    preparedAt: new Date().toISOString(),
  };
  await writeRecord(manifestPath(context, facts.environment), prepareManifestSchema, manifest);
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
  { layout }: SandboxContext,
  name: string,
): Promise<{ version: string } | { problem: string }> {
  try {
    const environment = await findEnvironment(layout, name);
    return environment ? { version: environment.version } : { problem: "the environment is not installed any more" };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

function manifestPath({ layout }: SandboxContext, environmentName: string): string {
  return join(layout.factsDir, `prepared-${environmentName.replaceAll(":", "-")}.json`);
}
