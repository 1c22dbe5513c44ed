import type * as z from "zod";
import { changedMetadata, metadataUpdateSchema } from "./metadata.ts";
import { changedNetwork, networkChangeSchema } from "./network-change.ts";
import type { WorkspaceRecord } from "./record.ts";

/** A change of what the user may change of a workspace. */
export const workspaceUpdateSchema = metadataUpdateSchema.extend({ network: networkChangeSchema.optional() });
export type WorkspaceUpdate = z.output<typeof workspaceUpdateSchema>;

type Changed = Pick<WorkspaceRecord, "name" | "labels" | "network">;

/** What an update makes of a record. */
export function updated(record: Changed, { network, ...metadata }: WorkspaceUpdate): Changed {
  return {
    ...changedMetadata(record, metadata),
    network: network ? changedNetwork(record.network, network) : record.network,
  };
}
