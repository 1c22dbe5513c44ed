import * as z from "zod";
import { publishedPortSchema } from "./port.ts";

const serviceStates = ["running", "stopped", "exited", "failed"] as const;

export const stopReasons = [
  "stopped",
  "exited",
  "exited_before_ready",
  "readiness_timeout",
  "out_of_memory",
  "workspace_stopped",
  "machine_died",
] as const;

/** What tells that a service can be used. */
export const readinessSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("file"), path: z.string() }),
  z.object({ type: z.literal("tcp"), address: z.string() }),
  z.object({ type: z.literal("http"), url: z.string() }),
  z.object({ type: z.literal("command"), command: z.string() }),
  z.object({ type: z.literal("log"), pattern: z.string() }),
]);
export type Readiness = z.output<typeof readinessSchema>;

/** How the wait for readiness went. */
export const probingSchema = z.object({
  elapsedMs: z.number(),
  tries: z.number(),
  lastFailure: z.string().nullable().describe("Why it was not ready at the last try"),
});
export type Probing = z.output<typeof probingSchema>;

/** A service of a workspace, as it was last known. */
export const serviceRecordSchema = z.object({
  serviceName: z.string(),
  /** How often it has been started since the last reset */
  generation: z.number(),
  command: z.array(z.string()),
  cwd: z.string(),
  state: z.enum(serviceStates),
  stopReason: z.enum(stopReasons).nullable(),
  readiness: readinessSchema.nullable(),
  /** null: the wait has not ended, or there is none */
  probing: probingSchema.nullable(),
  startedAt: z.string(),
  /** null: not yet, or it has none */
  readyAt: z.string().nullable(),
  /** Time at which the last of its processes ended; null while it runs, or if that is unknown */
  endedAt: z.string().nullable(),
  exitCode: z.number().nullable(),
  signal: z.string().nullable(),
  startError: z.string().nullable().describe("Why its program could not be started"),
  /** Time at which its first process ended, if others go on */
  parentExitedAt: z.string().nullable(),
  publishedPorts: z.array(publishedPortSchema),
});
export type ServiceRecord = z.output<typeof serviceRecordSchema>;

/** The services of a workspace whose machine is gone without a word. */
export function withLostServices(services: readonly ServiceRecord[]): ServiceRecord[] {
  return services.map((service) =>
    service.state === "running"
      ? { ...service, state: "failed", stopReason: "machine_died", publishedPorts: [] }
      : service,
  );
}

export function serviceCounts(services: readonly ServiceRecord[]): {
  readonly serviceCount: number;
  readonly runningServiceCount: number;
} {
  return {
    serviceCount: services.length,
    runningServiceCount: services.filter(({ state }) => state === "running").length,
  };
}
