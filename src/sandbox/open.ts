import { randomBytes } from "node:crypto";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import { catalogEntry } from "../images/catalog.ts";
import { pullEnvironment } from "../images/pull.ts";
import { type BootableEnvironment, findEnvironment } from "../images/store.ts";
import type { SandboxCallOptions, SandboxContext } from "./context.ts";
import { findDriver } from "./driver.ts";
import type { MachineShape } from "./machine.ts";
import { requireRoomForMachine } from "./room.ts";
import { forkSandbox, type Sandbox } from "./sandbox.ts";
import { withScratchDisks } from "./scratch-disks.ts";
import type { Template } from "./template-store.ts";
import { ensureTemplate, type TemplateRequest } from "./templates.ts";

export interface OpenSandboxRequest {
  /** Name of an environment of the catalog */
  readonly environment: string;
  readonly shape: MachineShape;
  /** Build the template anew even when there is a good one */
  readonly rebuild?: boolean;
}

/** A machine that nothing is kept of. */
export interface DisposableSandbox extends Sandbox {
  /** 12 hexadecimal digits */
  readonly id: string;
  readonly environmentVersion: string;
  /** The template that it was forked from */
  readonly templateKey: string;
}

/** Gives a fresh machine of an environment: installs, builds and proves whatever is missing on this host first. */
export async function openSandbox(
  context: SandboxContext,
  request: OpenSandboxRequest,
  options: SandboxCallOptions,
): Promise<DisposableSandbox> {
  // A name that nobody knows is the user's mistake, whatever else is wrong here.
  catalogEntry(request.environment);
  const driver = await findDriver(context);
  const environment = await ensureEnvironment(context, request.environment, options);
  const id = randomBytes(6).toString("hex");
  const { scratchDir } = context.layout;
  const machine = { driver, environment, shape: request.shape, rebuild: request.rebuild ?? false };
  return forkTemplate(context, machine, options, (template) =>
    withScratchDisks({ id, template, environment, scratchDir }, async (disks) => ({
      ...{ id, environmentVersion: environment.version, templateKey: template.record.key },
      ...(await forkSandbox({
        ...{ id, driver, template, environment, disks, mountsWorkspace: false },
        signal: options.signal,
      })),
    })),
  );
}

export interface ForkTemplateRequest extends TemplateRequest {
  /** Build the template anew even when there is a good one */
  readonly rebuild: boolean;
}

/** Forks the template of a machine, made first if need be; a template that turns out to be no good is replaced, once. */
export async function forkTemplate<S extends Sandbox>(
  context: SandboxContext,
  { rebuild, ...machine }: ForkTemplateRequest,
  options: SandboxCallOptions,
  fork: (template: Template) => Promise<S>,
): Promise<S> {
  const template = await ensureTemplate(context, machine, { ...options, accept: rebuild ? () => false : undefined });
  await requireRoomForMachine(context.layout.scratchDir);
  try {
    return await fork(template);
  } catch (error) {
    if (!isCuredByAnotherTemplate(error)) throw error;
    // Somebody else may have made another one by now; the one that failed is not tried again.
    const isAnother = ({ record }: Template) => record.createdAt !== template.record.createdAt;
    return fork(await ensureTemplate(context, machine, { ...options, accept: isAnother }));
  }
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

/** It was pruned in between, or its frozen state is no good although its files are as they were. */
function isCuredByAnotherTemplate(error: unknown): boolean {
  if (systemErrorCode(error) === "ENOENT") return true;
  return error instanceof PyroError && error.code === "failed_precondition";
}
