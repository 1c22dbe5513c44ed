import type * as z from "zod";
import { allowsPublishedPorts } from "../../network/policy/rules.ts";
import { changedMetadata, metadataUpdateSchema } from "./metadata.ts";
import { changedNetwork, networkChangeSchema } from "./network-change.ts";
import type { WorkspaceRecord } from "./record.ts";

/** A change of what the user may change of a workspace. */
export const workspaceUpdateSchema = metadataUpdateSchema.extend({ network: networkChangeSchema.optional() });
export type WorkspaceUpdate = z.output<typeof workspaceUpdateSchema>;

type Changed = Pick<WorkspaceRecord, "name" | "labels" | "network" | "publishedPorts" | "services">;

/** What an update makes of a record. */
export function updated(record: Changed, { network, ...metadata }: WorkspaceUpdate): Changed {
  const rules = network ? changedNetwork(record.network, network) : record.network;
  const isPublished = allowsPublishedPorts(rules.mode);
  return {
    ...changedMetadata(record, metadata),
    network: rules,
    publishedPorts: isPublished ? record.publishedPorts : [],
    services: record.services.map((service) => (isPublished ? service : { ...service, publishedPorts: [] })),
  };
}
