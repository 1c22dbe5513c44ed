import * as z from "zod";
import { ledgerEntrySchema } from "../../network/ledger.ts";
import { defineVerbs, nothing } from "../control/protocol.ts";

export const networkVerbs = defineVerbs({
  /** Connections that are open now, which the ledger does not have yet */
  openConnections: {
    changes: false,
    endsWithCaller: true,
    input: nothing,
    output: z.object({ entries: z.array(ledgerEntrySchema) }),
  },
});
