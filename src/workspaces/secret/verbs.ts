import * as z from "zod";
import { defineVerbs } from "../control/protocol.ts";
import { workspaceRecordSchema } from "../record/record.ts";
import { secretRecordSchema } from "../record/secret.ts";
import { heldSecretSchema } from "./source.ts";

/** Limit for the bytes of one search */
export const maxSearchedBytes = 64 * 1024 * 1024;

/** Places as JSON: the number of the bytes that each is in, its start and its end. */
export const foundPlacesSchema = z.array(z.tuple([z.number(), z.number(), z.number()]));

export const secretVerbs = defineVerbs({
  /** Gives secrets to a workspace that runs, or new values to those that it has */
  useSecrets: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ records: z.array(secretRecordSchema), held: z.array(heldSecretSchema) }),
    output: workspaceRecordSchema,
  },
  /**
   * Looks for values in bytes of these lengths, which come as data one behind the other. The answer
   * comes as data too, because there can be many places.
   */
  findSecrets: {
    changes: false,
    endsWithCaller: true,
    input: z.object({ lengths: z.array(z.number().int().min(0)) }),
    /** Limit for the length of a place, so that callers read enough around a part of a file */
    output: z.object({ reachBytes: z.number() }),
  },
});
