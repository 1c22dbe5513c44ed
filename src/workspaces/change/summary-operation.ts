import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { shortLine } from "../../operations/command-view.ts";
import { executionMode } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceId } from "../life/workspace-view.ts";
import type { JournalLine } from "../record/journal.ts";
import { lastCommandSchema, workspaceStates } from "../record/record.ts";
import { changeEntry, changeSummary } from "./change-fields-view.ts";
import { reviewWorkspace, type WorkspaceReview } from "./review.ts";
import { renderReview } from "./summary-view.ts";

const commandReview = lastCommandSchema.extend({ executionMode, recordedAt: z.string() });

function short<C extends { command: string[] }>(command: C): C {
  return { ...command, command: shortLine(command.command) };
}

const editReview = z.object({
  eventKind: z.enum(["sync_push", "file_write", "patch_apply"]),
  path: z.string(),
  entryCount: z.number(),
  bytesWritten: z.number(),
  recordedAt: z.string(),
});

const exportReview = z.object({
  workspacePath: z.string(),
  outputPath: z.string(),
  entryCount: z.number(),
  bytesWritten: z.number(),
  recordedAt: z.string(),
});

const serviceReview = z.object({ serviceName: z.string(), state: z.string() });

const reviewOutput = z.object({
  workspaceId: z.string(),
  name: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  environment: z.string(),
  state: z.enum(workspaceStates),
  lastActivityAt: z.string(),
  sessionStartedAt: z.string().describe("Its creation or its last reset"),
  outcome: z.object({
    commandCount: z.number(),
    lastCommand: lastCommandSchema.nullable(),
    serviceCount: z.number(),
    runningServiceCount: z.number(),
    exportCount: z.number(),
    snapshotCount: z.number(),
    resetCount: z.number(),
  }),
  commands: z.object({ total: z.number(), recent: z.array(commandReview) }),
  edits: z.object({ recent: z.array(editReview) }),
  changes: z.object({
    available: z.boolean(),
    reason: z.string().nullable().describe("Why they are not"),
    changed: z.boolean().nullable(),
    summary: changeSummary.nullable(),
    entries: z.array(changeEntry).describe("The first ten"),
  }),
  services: z.object({ current: z.array(serviceReview), recent: z.array(serviceReview) }),
  artifacts: z.object({ exports: z.array(exportReview) }),
  snapshots: z.object({
    namedCount: z.number(),
    recent: z.array(z.object({ snapshotName: z.string(), createdAt: z.string() })),
  }),
});
export type ReviewOutput = z.output<typeof reviewOutput>;

export const workspaceSummary = defineOperation({
  name: "workspace.summary",
  summary: "Sum up on one page what happened in a workspace since its last reset",
  effect: "read",
  input: z.object({ workspaceId }),
  output: reviewOutput,
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace summary 0a1b2c3d4e5f", "workspace summary 0a1b2c3d4e5f --json"],
    render: renderReview,
  },
  mcp: {
    description:
      "Sum up what happened in a workspace since its last reset: commands, changes, exports. Fit for a pull request.",
    readable: (output, maxChars) => ({
      ...output,
      outcome: { ...output.outcome, lastCommand: output.outcome.lastCommand && short(output.outcome.lastCommand) },
      commands: { ...output.commands, recent: fitting(output.commands.recent.map(short), maxChars / 2) },
    }),
  },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    return outputOf(await reviewWorkspace({ context, workspaceId: id, signal }));
  },
});

function outputOf(review: WorkspaceReview): z.input<typeof reviewOutput> {
  const { record, changes } = review;
  const { workspaceId: id, name, labels, state, lastActivityAt, sessionStartedAt } = record;
  const { commandCount, lastCommand, snapshots, resetCount } = record;
  return {
    ...{ workspaceId: id, name, labels, state, lastActivityAt, sessionStartedAt, environment: record.environment.name },
    outcome: {
      ...{ commandCount, lastCommand, resetCount, serviceCount: 0, runningServiceCount: 0 },
      ...{ exportCount: review.exportCount, snapshotCount: snapshots.length },
    },
    commands: {
      total: commandCount,
      recent: review.commands.map(({ end, startedAt, command, ...begun }) => ({
        ...{ ...begun, command: [...command], executionMode: "guest", recordedAt: startedAt },
        ...{ exitCode: end?.exitCode ?? null, durationMs: end?.durationMs ?? null },
      })),
    },
    edits: { recent: review.edits.flatMap(editOf) },
    changes: { ...changes, entries: [...changes.entries] },
    services: { current: [], recent: [] },
    artifacts: { exports: review.exports.flatMap(exportOf) },
    snapshots: {
      namedCount: snapshots.length,
      recent: review.snapshots.map(({ snapshotName, createdAt }) => ({ snapshotName, createdAt })),
    },
  };
}

function editOf({ edit, at }: JournalLine): z.input<typeof editReview>[] {
  if (!edit) return [];
  const { kind, ...rest } = edit;
  return [{ eventKind: kind, ...rest, recordedAt: at }];
}

function exportOf({ export: exported, at }: JournalLine): z.input<typeof exportReview>[] {
  if (!exported) return [];
  const { path, ...rest } = exported;
  return [{ workspacePath: path, ...rest, recordedAt: at }];
}
