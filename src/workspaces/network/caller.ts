import { type LedgerEntry, readLedger } from "../../network/ledger.ts";
import { askWorkspace, type WorkspaceCall } from "../control/access.ts";
import { call } from "../control/client.ts";
import { WorkspacePlace } from "../record/store.ts";
import { networkVerbs } from "./verbs.ts";

/** All that a workspace's ledger has, and the connections that are open, from the oldest one. */
export async function workspaceLedger(wanted: WorkspaceCall): Promise<readonly LedgerEntry[]> {
  const { context, workspaceId, signal } = wanted;
  const { entries: open } = await askWorkspace(wanted, {
    running: ({ connection }) => call(connection, networkVerbs.openConnections, {}, { signal }),
    idle: async () => ({ entries: [] }),
  });
  const { networkDir } = new WorkspacePlace(context.layout.workspacesDir, workspaceId);
  return [...(await readLedger(networkDir)), ...open];
}
