import * as z from "zod";
import { checkWire } from "../../core/wire-case.ts";
import { acceleratorChoices } from "../../machines/accelerator.ts";
import type { EngineContext } from "../../machines/context.ts";
import { hostProxiesSchema } from "../../network/proxy.ts";
import { heldSecretSchema } from "../secret/source.ts";

/**
 * How a supervisor gets its machine: a fork over the seed, a boot of the disks as they are, or a
 * fork over a checkpoint. `keep` gets none, and leaves what was created to the guardian.
 */
const modes = ["create", "start", "reset", "keep"] as const;

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

/** The first line that a supervisor reads. It does not depend on the caller's environment. */
export const launchSchema = z.object({
  mode: z.enum(modes),
  /** Checkpoint of a `reset` */
  snapshotName: z.string().optional(),
  /** Values that the caller has read */
  secrets: z.array(heldSecretSchema),
  context: z.object({
    layout: layoutSchema,
    searchPath: z.string(),
    mirror: z.string().optional(),
    acceleratorChoice: z.enum(acceleratorChoices),
    uid: z.number(),
    templateBudgetBytes: z.number(),
    seedBudgetBytes: z.number(),
    certificateFiles: z.array(z.string()),
    trustsHostCertificates: z.boolean(),
    hostProxies: hostProxiesSchema,
    maxActiveWorkspaces: z.number(),
  }),
});
checkWire(launchSchema, "launch");
export type Launch = z.output<typeof launchSchema>;

/**
 * Descriptor on which the supervisor gets its task and tells how the start went. The next
 * descriptor is the lock, which it only keeps open.
 */
export const channelFd = 3;

/** Exit code of a supervisor that got no task, which leaves its guardian nothing to guard */
export const idleExitCode = 3;
/** Name of the guardian in the list of processes */
export const guardianName = "pyro-guardian";

export function toLaunchContext({
  mirror,
  certificateFiles,
  variables: _,
  ...context
}: EngineContext): Launch["context"] {
  return { ...context, certificateFiles: [...certificateFiles], ...(mirror === undefined ? {} : { mirror }) };
}

export function fromLaunchContext({ mirror, ...context }: Launch["context"]): EngineContext {
  return { ...context, mirror, variables: {} };
}
