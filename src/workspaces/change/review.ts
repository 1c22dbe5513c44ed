import { PyroError } from "../../core/errors.ts";
import type { EngineContext } from "../../machines/context.ts";
import { currentRecord, type WorkspaceCall } from "../control/access.ts";
import { commandsOf, type JournaledCommand, type JournalLine, readJournal } from "../record/journal.ts";
import type { SnapshotRecord, WorkspaceRecord } from "../record/record.ts";
import { WorkspacePlace } from "../record/store.ts";
import { type DiffEntry, type DiffSummary, diffWorkspace } from "./diff.ts";

const recentCount = 5;
const shownChanges = 10;

export interface ChangesReview {
  readonly available: boolean;
  /** Why they are not */
  readonly reason: string | null;
  readonly changed: boolean | null;
  readonly summary: DiffSummary | null;
  readonly entries: readonly Omit<DiffEntry, "textPatch" | "ignored">[];
}

export interface WorkspaceReview {
  readonly record: WorkspaceRecord;
  readonly commands: readonly JournaledCommand[];
  /** Newest first, as all lists here */
  readonly edits: readonly JournalLine[];
  readonly exports: readonly JournalLine[];
  readonly exportCount: number;
  readonly snapshots: readonly SnapshotRecord[];
  readonly changes: ChangesReview;
}

/** What happened in a workspace since its last reset; a part that cannot be had says why, and does not spoil the rest. */
export async function reviewWorkspace(call: WorkspaceCall): Promise<WorkspaceReview> {
  const record = await currentRecord(call.context, call.workspaceId);
  const lines = await readJournal(historyOf(call.context, record));
  const exports = lines.filter(({ event }) => event === "export");
  return {
    record,
    commands: newest(commandsOf(lines)),
    edits: newest(lines.filter(({ event }) => event === "edit")),
    exports: newest(exports),
    exportCount: exports.length,
    snapshots: newest(record.snapshots),
    changes: await reviewChanges(call, record),
  };
}

async function reviewChanges(call: WorkspaceCall, { state }: WorkspaceRecord): Promise<ChangesReview> {
  const unavailable = { available: false, changed: null, summary: null, entries: [] };
  if (state !== "started") return { ...unavailable, reason: `the workspace is ${state}` };
  try {
    const { changed, summary, entries } = await diffWorkspace(call);
    const shown = entries.slice(0, shownChanges).map(({ textPatch: _, ignored: __, ...entry }) => entry);
    return { available: true, reason: null, changed, summary, entries: shown };
  } catch (error) {
    if (call.signal?.aborted) throw error;
    return { ...unavailable, reason: PyroError.from(error).message };
  }
}

function newest<T>(items: readonly T[]): readonly T[] {
  return items.slice(-recentCount).reverse();
}

function historyOf({ layout }: EngineContext, { workspaceId, resetCount }: WorkspaceRecord): string {
  return new WorkspacePlace(layout.workspacesDir, workspaceId).historyDir(resetCount);
}
