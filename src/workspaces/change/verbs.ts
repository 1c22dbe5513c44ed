import { treeChangesSchema } from "../../guest/tree/messages.ts";
import { defineVerbs, nothing } from "../control/protocol.ts";

export const changeVerbs = defineVerbs({
  /** Data is changes, in the frames of the guest protocol */
  treeChanges: { changes: false, endsWithCaller: true, input: treeChangesSchema, output: nothing },
});
