import { PyroError, systemErrorCode } from "../core/errors.ts";
import { catalogEntry } from "../environments/catalog.ts";
import { pullEnvironment } from "../environments/pull.ts";
import { type BootableEnvironment, findEnvironment } from "../environments/store.ts";
import type { Driver } from "../vmm/driver.ts";
import { QemuDriver } from "../vmm/qemu/driver.ts";
import { findQemu } from "../vmm/qemu/installation.ts";
import type { SandboxCallOptions, SandboxContext } from "./context.ts";
import type { MachineShape } from "./machine.ts";
import { forkSandbox, type Sandbox } from "./sandbox.ts";
import type { Template } from "./template-store.ts";
import { ensureTemplate } from "./templates.ts";

export interface OpenSandboxRequest {
  /** Name of an environment of the catalog */
  readonly environment: string;
  readonly shape: MachineShape;
  /** Build the template anew even when there is a good one */
  readonly rebuild?: boolean;
}

/** Gives a fresh machine of an environment: installs, builds and proves whatever is missing on this host first. */
export async function openSandbox(
  context: SandboxContext,
  request: OpenSandboxRequest,
  options: SandboxCallOptions,
): Promise<Sandbox> {
  // A name that nobody knows is the user's mistake, whatever else is wrong here.
  catalogEntry(request.environment);
  const driver = await findDriver(context);
  const environment = await ensureEnvironment(context, request.environment, options);
  const forkFrom = (template: Template) =>
    forkSandbox({ driver, template, environment, scratchDir: context.layout.scratchDir, signal: options.signal });
  const templateRequest = { driver, environment, shape: request.shape };
  const template = await ensureTemplate(context, templateRequest, { ...options, force: request.rebuild ?? false });
  try {
    return await forkFrom(template);
  } catch (error) {
    if (!mayBeCured(error)) throw error;
    // The template was pruned in between, or does not continue although its files are as they were: a new one tells.
    const force = systemErrorCode(error) !== "ENOENT";
    return forkFrom(await ensureTemplate(context, templateRequest, { ...options, force }));
  }
}

/** The driver for this host; fails with `unavailable` and what to install. */
export async function findDriver({ layout, searchPath, uid }: SandboxContext): Promise<Driver> {
  return new QemuDriver(await findQemu({ searchPath, factsDir: layout.factsDir }), uid);
}

/** An installed environment; pulls it on first use. */
export async function ensureEnvironment(
  context: SandboxContext,
  name: string,
  options: SandboxCallOptions,
): Promise<BootableEnvironment> {
  const found = await findEnvironment(context.layout, name);
  if (found) return found;
  return pullEnvironment(context, name, options);
}

function mayBeCured(error: unknown): boolean {
  if (systemErrorCode(error) === "ENOENT") return true;
  return error instanceof PyroError && (error.code === "unavailable" || error.code === "internal");
}
