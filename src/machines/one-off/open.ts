import { randomBytes } from "node:crypto";
import { catalogEntry } from "../../images/catalog.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import { ensureEnvironment } from "../ensure-environment.ts";
import { findDriver } from "../find-driver.ts";
import { forkMachine, type Machine } from "../machine.ts";
import type { MachineShape } from "../shape.ts";
import { forkTemplate } from "../templates/fork.ts";
import { withScratchDisks } from "./scratch-disks.ts";

export interface OneOffRequest {
  /** Name of an environment of the catalog */
  readonly environment: string;
  readonly shape: MachineShape;
  /** Build the template anew even when there is a good one */
  readonly rebuild?: boolean;
}

/** A machine that nothing is kept of. */
export interface OneOffMachine extends Machine {
  /** 12 hexadecimal digits */
  readonly id: string;
  readonly environmentVersion: string;
  /** The template that it was forked from */
  readonly templateKey: string;
}

/** Gives a fresh machine of an environment: installs, builds and proves whatever is missing on this host first. */
export async function openOneOff(
  context: EngineContext,
  request: OneOffRequest,
  options: EngineCallOptions,
): Promise<OneOffMachine> {
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
      ...(await forkMachine({
        ...{ id, driver, template, environment, disks, mountsWorkspace: false },
        signal: options.signal,
      })),
    })),
  );
}
