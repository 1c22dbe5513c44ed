import { PyroError, systemErrorCode } from "../core/errors.ts";
import { catalogEntry } from "../environments/catalog.ts";
import { pullEnvironment } from "../environments/pull.ts";
import { type BootableEnvironment, findEnvironment } from "../environments/store.ts";
import type { SandboxCallOptions, SandboxContext } from "./context.ts";
import { findDriver } from "./driver.ts";
import type { MachineShape } from "./machine.ts";
import { requireRoomTo } from "./room.ts";
import { forkSandbox, type Sandbox } from "./sandbox.ts";
import type { Template } from "./template-store.ts";
import { ensureTemplate } from "./templates.ts";

const minFreeMib = 256;

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
  const { scratchDir } = context.layout;
  const forkFrom = (template: Template) =>
    forkSandbox({ driver, template, environment, scratchDir, signal: options.signal });
  const machine = { driver, environment, shape: request.shape };
  const accept = request.rebuild ? () => false : undefined;
  const template = await ensureTemplate(context, machine, { ...options, accept });
  // What it writes goes to disk layers that grow.
  await requireRoomTo({ action: "start a machine", dir: scratchDir, neededMib: minFreeMib });
  try {
    return await forkFrom(template);
  } catch (error) {
    if (!isCuredByAnotherTemplate(error)) throw error;
    // Somebody else may have made another one by now; the one that failed is not tried again.
    const isAnother = ({ record }: Template) => record.createdAt !== template.record.createdAt;
    return forkFrom(await ensureTemplate(context, machine, { ...options, accept: isAnother }));
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
