import * as z from "zod";
import { defineOperation } from "../../operations/operation.ts";
import { currentRecord } from "../control/access.ts";
import { renderWorkspace, shortenWorkspace, viewOf, workspaceId, workspaceView } from "../life/workspace-view.ts";
import { baselineName, type SnapshotRecord, type WorkspaceRecord } from "../record/record.ts";
import { createSnapshot, deleteSnapshot, resetWorkspace } from "./caller.ts";

const snapshotName = z.string().min(1).describe("Name of the snapshot");

const snapshotView = z.object({
  snapshotName: z.string(),
  kind: z.enum(["baseline", "named"]),
  entryCount: z.number().describe("Files, directories and links in /workspace"),
  bytesWritten: z.number().describe("Content of its files"),
  createdAt: z.string(),
});

export const snapshotCreate = defineOperation({
  name: "workspace.snapshot.create",
  summary: "Keep /workspace as it is now under a name, to reset to later",
  effect: "write",
  input: z.object({ workspaceId, snapshotName }),
  output: z.object({ workspaceId: z.string(), snapshot: snapshotView }),
  cli: {
    positionals: ["workspaceId", "snapshotName"],
    examples: ["workspace snapshot create 0a1b2c3d4e5f before-refactoring"],
    text: ({ workspaceId: id, snapshot }) =>
      `[workspace-snapshot-create] workspace_id=${id} ${renderSnapshot(snapshot)}`,
  },
  mcp: { name: "snapshot_create" },
  async handle({ engine, signal }, input) {
    const snapshot = await createSnapshot(
      { context: engine, workspaceId: input.workspaceId, signal },
      input.snapshotName,
    );
    return { workspaceId: input.workspaceId, snapshot: named(snapshot) };
  },
});

export const snapshotList = defineOperation({
  name: "workspace.snapshot.list",
  summary: "List a workspace's snapshots; the baseline, with which it began, is always there",
  effect: "read",
  input: z.object({ workspaceId }),
  output: z.object({ workspaceId: z.string(), count: z.number(), snapshots: z.array(snapshotView) }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace snapshot list 0a1b2c3d4e5f"],
    text: ({ snapshots }) => snapshots.map((snapshot) => `${renderSnapshot(snapshot)}`).join(""),
  },
  mcp: { name: "snapshot_list" },
  async handle({ engine }, input) {
    const record = await currentRecord(engine, input.workspaceId);
    const snapshots = [baselineOf(record), ...record.snapshots.map(named)];
    return { workspaceId: input.workspaceId, count: snapshots.length, snapshots };
  },
});

export const snapshotDelete = defineOperation({
  name: "workspace.snapshot.delete",
  summary: "Delete a named snapshot",
  effect: "destroy",
  input: z.object({ workspaceId, snapshotName }),
  output: z.object({ workspaceId: z.string(), snapshotName: z.string(), deleted: z.boolean() }),
  cli: {
    positionals: ["workspaceId", "snapshotName"],
    examples: ["workspace snapshot delete 0a1b2c3d4e5f before-refactoring"],
    text: (deleted) => `Deleted snapshot ${deleted.snapshotName} of workspace ${deleted.workspaceId}.\n`,
  },
  mcp: { name: "snapshot_delete" },
  async handle({ engine: context, signal }, { workspaceId: id, snapshotName: name }) {
    await deleteSnapshot({ context, workspaceId: id, signal }, name);
    return { workspaceId: id, snapshotName: name, deleted: true };
  },
});

export const workspaceReset = defineOperation({
  name: "workspace.reset",
  summary: "Begin again with a new machine, and /workspace as it was at the start or at a snapshot",
  effect: "destroy",
  input: z.object({
    workspaceId,
    snapshot: z.string().min(1).default(baselineName).describe("Snapshot to go back to"),
  }),
  output: workspaceView.extend({
    workspaceReset: z.object({
      snapshotName: z.string(),
      kind: z.string(),
      destination: z.string(),
      entryCount: z.number(),
      bytesWritten: z.number(),
    }),
  }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace reset 0a1b2c3d4e5f", "workspace reset 0a1b2c3d4e5f --snapshot before-refactoring"],
    text: renderWorkspace,
    notes: ({
      workspaceId: id,
      workspaceReset: { snapshotName: name, kind, destination, entryCount, bytesWritten },
    }) => [
      `[workspace-reset] workspace_id=${id} snapshot_name=${name} kind=${kind} destination=${destination} entry_count=${entryCount} bytes_written=${bytesWritten}`,
    ],
  },
  mcp: {
    description:
      "Go back to the start or to a snapshot, in under a second: a new machine, with /workspace as it was then and an empty history. What was changed since is lost.",
    namedFields: ["workspaceId", "state", "resetCount", "workspaceReset"],
    shortened: shortenWorkspace,
    input: { snapshot: z.string().min(1).default(baselineName).describe("baseline is how the workspace began") },
  },
  async handle({ engine: context, signal }, input) {
    const record = await resetWorkspace({ context, workspaceId: input.workspaceId, signal }, input.snapshot);
    const snapshot = record.snapshots.find((candidate) => candidate.snapshotName === input.snapshot);
    const { createdAt: _, ...checkpoint } = snapshot ? named(snapshot) : baselineOf(record);
    return { ...viewOf(record), workspaceReset: { ...checkpoint, destination: record.seed.destination } };
  },
});

function named({
  snapshotName: name,
  entryCount,
  bytesWritten,
  createdAt,
}: SnapshotRecord): z.output<typeof snapshotView> {
  return { snapshotName: name, kind: "named", entryCount, bytesWritten, createdAt };
}

function baselineOf({ seed, baseline, createdAt }: WorkspaceRecord): z.output<typeof snapshotView> {
  const { entryCount, bytesWritten } = baseline ?? seed;
  return { snapshotName: baselineName, kind: "baseline", entryCount, bytesWritten, createdAt };
}

function renderSnapshot({
  snapshotName: name,
  kind,
  entryCount,
  bytesWritten,
  createdAt,
}: z.output<typeof snapshotView>): string {
  return `snapshot_name=${name} kind=${kind} entry_count=${entryCount} bytes_written=${bytesWritten} created_at=${createdAt}\n`;
}
