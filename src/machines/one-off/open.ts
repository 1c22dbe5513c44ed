import { randomBytes } from "node:crypto";
import { catalogEntry } from "../../images/catalog.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import { ensureEnvironment } from "../ensure-environment.ts";
import { forkMachine, type Machine } from "../machine.ts";
import type { MachineShape } from "../shape.ts";
import { forkTemplate } from "../templates/fork.ts";
import { findVmTools } from "../vm-tools.ts";
import { withScratchDisks } from "./scratch-disks.ts";

export interface OneOffRequest {
  /** Name of an environment of the catalog */
  readonly environment: string;
  readonly shape: MachineShape;
  /** Whether to rebuild the template even if it is good */
  readonly rebuild?: boolean;
}

/** A machine that leaves nothing behind. */
export interface OneOffMachine extends Machine {
  /** 12 hexadecimal digits */
  readonly id: string;
  readonly environmentVersion: string;
  /** Key of the template that it was forked from */
  readonly templateKey: string;
}

/** Opens a fresh machine of an environment, after it has made what this host lacks. */
export async function openOneOff(
  context: EngineContext,
  request: OneOffRequest,
  options: EngineCallOptions,
): Promise<OneOffMachine> {
  // An unknown name is reported first, because it is the user's mistake.
  catalogEntry(request.environment);
  const tools = await findVmTools(context);
  const environment = await ensureEnvironment(context, request.environment, options);
  const id = randomBytes(6).toString("hex");
  const { scratchDir } = context.layout;
  const machine = { ...tools, environment, shape: request.shape, rebuild: request.rebuild ?? false };
  return forkTemplate(context, machine, options, (template) =>
    withScratchDisks({ id, template, environment, scratchDir }, async (disks) => ({
      id,
      environmentVersion: environment.version,
      templateKey: template.record.key,
      ...(await forkMachine({
        id,
        driver: tools.driver,
        template,
        environment,
        disks,
        signal: options.signal,
      })),
    })),
  );
}
