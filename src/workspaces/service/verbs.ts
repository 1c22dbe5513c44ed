import * as z from "zod";
import { commandStateSchema } from "../../guest/messages.ts";
import { networkUseSchema } from "../../network/use.ts";
import { defineVerbs } from "../control/protocol.ts";
import { portNumber } from "../record/port.ts";
import { readinessSchema, serviceRecordSchema } from "../record/service.ts";

/** What a running service does at this moment; null if it does not run. */
const liveSchema = commandStateSchema.nullable();

const serviceName = z.string();

/** A service, and what can only be seen while it runs. */
const seenService = z.object({ service: serviceRecordSchema, live: liveSchema, network: networkUseSchema });
export type SeenService = z.output<typeof seenService>;

export const serviceVerbs = defineVerbs({
  /** Answers when the service is ready, has ended, or was not ready in time */
  startService: {
    changes: true,
    endsWithCaller: false,
    input: z.object({
      serviceName,
      argv: z.array(z.string()).optional(),
      shell: z.string().optional(),
      /** Absolute, in the guest */
      cwd: z.string(),
      env: z.record(z.string(), z.string()),
      /** Variables that get secrets: `{ SECRET: VARIABLE }` */
      secretEnv: z.record(z.string(), z.string()),
      readiness: readinessSchema.nullable(),
      readyTimeoutMs: z.number(),
      readyIntervalMs: z.number(),
      publish: z.array(z.object({ guestPort: portNumber, hostPort: portNumber.optional() })),
    }),
    output: seenService,
  },
  serviceState: {
    changes: false,
    endsWithCaller: true,
    input: z.object({ serviceName }),
    output: seenService,
  },
  /** Answers when no process of it is left */
  stopService: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ serviceName, graceMs: z.number() }),
    output: seenService,
  },
});
