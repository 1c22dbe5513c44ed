import * as z from "zod";
import { defineVerbs, nothing } from "../control/protocol.ts";
import { portNumber, publishedPortSchema } from "../record/port.ts";

export const portStateSchema = publishedPortSchema.extend({
  problem: z.string().nullable().describe("Why nothing listens on the host's port"),
  connectionCount: z.number(),
  openCount: z.number(),
  lastRefusal: z
    .object({ at: z.string(), reason: z.string() })
    .nullable()
    .describe("The last connection that did not come about"),
});

export const portVerbs = defineVerbs({
  publish: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ guestPort: portNumber, hostPort: portNumber.optional() }),
    output: publishedPortSchema,
  },
  closePort: { changes: true, endsWithCaller: false, input: z.object({ guestPort: portNumber }), output: nothing },
  portStates: {
    changes: false,
    endsWithCaller: true,
    input: nothing,
    output: z.object({ ports: z.array(portStateSchema) }),
  },
});
