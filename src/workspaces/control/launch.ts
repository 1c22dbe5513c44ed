import * as z from "zod";
import { checkWire } from "../../core/wire-case.ts";
import { acceleratorChoices } from "../../machines/accelerator.ts";
import type { EngineContext } from "../../machines/context.ts";

/** What a supervisor begins with: a fork over the seed, a boot of the disks as they are, or a fork over a checkpoint. */
const modes = ["create", "start", "reset"] as const;

const layoutSchema = z.object({
  environmentsDir: z.string(),
  templatesDir: z.string(),
  factsDir: z.string(),
  locksDir: z.string(),
  scratchDir: z.string(),
  seedsDir: z.string(),
  workspacesDir: z.string(),
  agentPath: z.string(),
  supervisorPath: z.string(),
});

/** The first line that a supervisor is told; it need not have its caller's environment. */
export const launchSchema = z.object({
  mode: z.enum(modes),
  /** For `reset`: the checkpoint */
  snapshotName: z.string().optional(),
  context: z.object({
    layout: layoutSchema,
    searchPath: z.string(),
    mirror: z.string().optional(),
    acceleratorChoice: z.enum(acceleratorChoices),
    uid: z.number(),
    templateBudgetBytes: z.number(),
    seedBudgetBytes: z.number(),
    maxActiveWorkspaces: z.number(),
  }),
});
checkWire(launchSchema, "launch");
export type Launch = z.output<typeof launchSchema>;

/** By which the supervisor gets its task and says that it serves; the next descriptor is the lock, which it only has to keep open. */
export const channelFd = 3;

/** A supervisor that never had anything to do leaves nothing to guard. */
export const idleExitCode = 3;
/** By which the guardian is known in the list of processes */
export const guardianName = "pyro-guardian";

export function toLaunchContext({ mirror, ...context }: EngineContext): Launch["context"] {
  return { ...context, ...(mirror === undefined ? {} : { mirror }) };
}

export function fromLaunchContext({ mirror, ...context }: Launch["context"]): EngineContext {
  return { ...context, mirror };
}
