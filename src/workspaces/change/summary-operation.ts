import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { shortLine } from "../../operations/command-view.ts";
import { executionMode } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceId, workspaceView } from "../life/workspace-view.ts";
import { editSchema, exportSchema, type LineOf, serviceEventSchema } from "../record/journal.ts";
import { inShort, lastCommandSchema, snapshotRecordSchema, workspaceRecordSchema } from "../record/record.ts";
import { serviceCounts, serviceRecordSchema } from "../record/service.ts";
import { changesReview } from "./changes.ts";
import { reviewWorkspace, type WorkspaceReview } from "./review.ts";
import { renderReview } from "./summary-view.ts";

const commandReview = lastCommandSchema.extend({ executionMode, recordedAt: z.string() });

function short<C extends { command: string[] }>(command: C): C {
  return { ...command, command: shortLine(command.command) };
}

const editReview = z.object({
  eventKind: editSchema.shape.kind,
  ...editSchema.omit({ kind: true }).shape,
  recordedAt: z.string(),
});

const exportReview = z.object({
  workspacePath: exportSchema.shape.path,
  ...exportSchema.omit({ path: true }).shape,
  recordedAt: z.string(),
});

const serviceReview = serviceRecordSchema.pick({ serviceName: true, state: true });

const serviceEventReview = z.object({
  eventKind: serviceEventSchema.shape.kind,
  ...serviceEventSchema.omit({ kind: true }).shape,
  recordedAt: z.string(),
});

const reviewOutput = workspaceView.pick({ workspaceId: true, name: true, labels: true, environment: true }).extend({
  state: workspaceRecordSchema.shape.state,
  lastActivityAt: z.string(),
  sessionStartedAt: z.string().describe("Its creation or its last reset"),
  outcome: workspaceView
    .pick({ commandCount: true, lastCommand: true, serviceCount: true, runningServiceCount: true })
    .extend({ exportCount: z.number(), snapshotCount: z.number(), resetCount: z.number() }),
  commands: z.object({ total: z.number(), recent: z.array(commandReview) }),
  edits: z.object({ recent: z.array(editReview) }),
  changes: changesReview,
  network: z.object({
    policy: workspaceView.shape.networkPolicy,
    allowedCount: z.number(),
    deniedCount: z.number(),
    deniedHosts: z.array(z.string()),
  }),
  services: z.object({ current: z.array(serviceReview), recent: z.array(serviceEventReview) }),
  artifacts: z.object({ exports: z.array(exportReview) }),
  snapshots: z.object({
    namedCount: z.number(),
    recent: z.array(snapshotRecordSchema.pick({ snapshotName: true, createdAt: true })),
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
    text: renderReview,
  },
  mcp: {
    description: "Sum up a workspace since its last reset, for a report or a pull request: commands, changes, exports.",
    shortened: (output, maxChars) => ({
      ...output,
      outcome: { ...output.outcome, lastCommand: output.outcome.lastCommand && short(output.outcome.lastCommand) },
      commands: { ...output.commands, recent: fitting(output.commands.recent.map(short), maxChars / 2) },
    }),
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id }) {
    return outputOf(await reviewWorkspace({ context, workspaceId: id, signal, onProgress }));
  },
});

function outputOf(review: WorkspaceReview): z.input<typeof reviewOutput> {
  const { record, changes, exportCount, network } = review;
  const { commandCount, lastCommand, snapshots, services, resetCount } = record;
  return {
    ...record,
    environment: record.environment.name,
    outcome: {
      ...serviceCounts(services),
      commandCount,
      lastCommand,
      exportCount,
      snapshotCount: snapshots.length,
      resetCount,
    },
    commands: {
      total: commandCount,
      recent: review.commands.map((command) => ({
        ...inShort(command),
        executionMode: "guest",
        recordedAt: command.startedAt,
      })),
    },
    edits: { recent: review.edits.map(editOf) },
    changes,
    network: { policy: record.network.mode, ...network, deniedHosts: [...network.deniedHosts] },
    services: {
      current: services.toSorted((a, b) => a.serviceName.localeCompare(b.serviceName)),
      recent: review.services.map(serviceEventOf),
    },
    artifacts: { exports: review.exports.map(exportOf) },
    snapshots: { namedCount: snapshots.length, recent: [...review.snapshots] },
  };
}

function editOf({ edit: { kind, ...edit }, at }: LineOf<"edit">): z.input<typeof editReview> {
  return { eventKind: kind, ...edit, recordedAt: at };
}

function serviceEventOf({ service: { kind, ...service }, at }: LineOf<"service">): z.input<typeof serviceEventReview> {
  return { eventKind: kind, ...service, recordedAt: at };
}

function exportOf({ export: { path, ...exported }, at }: LineOf<"export">): z.input<typeof exportReview> {
  return { workspacePath: path, ...exported, recordedAt: at };
}
