import { PyroError } from "../../core/errors.ts";
import type { EngineContext } from "../../machines/context.ts";
import { currentRecord, type WorkspaceCall } from "../control/access.ts";
import { workspaceLedger } from "../network/caller.ts";
import { commandsOf, type JournaledCommand, type LineOf, readJournal } from "../record/journal.ts";
import type { SnapshotRecord, WorkspaceRecord } from "../record/record.ts";
import { WorkspacePlace } from "../record/store.ts";
import type { ChangesReview, DiffEntry } from "./changes.ts";
import { diffWorkspace } from "./diff.ts";
import { isFolded } from "./fold.ts";

const recentCount = 5;
const shownChanges = 10;

export interface WorkspaceReview {
  readonly record: WorkspaceRecord;
  readonly commands: readonly JournaledCommand[];
  /** Newest first, as all lists here */
  readonly edits: readonly LineOf<"edit">[];
  readonly exports: readonly LineOf<"export">[];
  readonly exportCount: number;
  readonly services: readonly LineOf<"service">[];
  readonly snapshots: readonly SnapshotRecord[];
  readonly changes: ChangesReview;
  readonly network: NetworkReview;
}

/** What a workspace did in the network since its last reset, as far as the ledger has it. */
export interface NetworkReview {
  readonly allowedCount: number;
  readonly deniedCount: number;
  /** Hosts that were denied, each once, the latest ones */
  readonly deniedHosts: readonly string[];
}

/**
 * Tells what happened in a workspace since its last reset. If the changes cannot be had, the review
 * says why.
 */
export async function reviewWorkspace(call: WorkspaceCall): Promise<WorkspaceReview> {
  const record = await currentRecord(call.context, call.workspaceId);
  const lines = await readJournal(historyOf(call.context, record));
  const exports = lines.filter((line) => line.event === "export");
  return {
    record,
    commands: newest(commandsOf(lines)),
    edits: newest(lines.filter((line) => line.event === "edit")),
    exports: newest(exports),
    exportCount: exports.length,
    services: newest(lines.filter((line) => line.event === "service")),
    snapshots: newest(record.snapshots),
    changes: await reviewChanges(call, record),
    network: await reviewNetwork(call, record),
  };
}

async function reviewNetwork(call: WorkspaceCall, { sessionStartedAt }: WorkspaceRecord): Promise<NetworkReview> {
  const entries = (await workspaceLedger(call)).filter(({ at }) => at >= sessionStartedAt);
  const denied = entries.filter(({ verdict }) => verdict === "denied");
  return {
    allowedCount: entries.filter(({ verdict }) => verdict === "allowed").length,
    deniedCount: denied.length,
    deniedHosts: [...new Set(denied.map(({ host }) => host))].slice(-recentCount),
  };
}

async function reviewChanges(call: WorkspaceCall, { state }: WorkspaceRecord): Promise<ChangesReview> {
  const unavailable = {
    available: false,
    changed: null,
    summary: null,
    entries: [],
    folded: [],
    foldedCount: 0,
    moreCount: 0,
    redactedCount: 0,
  };
  if (state !== "started") return { ...unavailable, reason: `the workspace is ${state}` };
  try {
    const { changed, summary, entries, folded, redactedCount } = await diffWorkspace(call);
    const single = entries.filter((entry) => !isFolded(entry) && !isToldByItsFiles(entry));
    return {
      available: true,
      reason: null,
      changed,
      summary,
      entries: single.slice(0, shownChanges),
      folded: folded.slice(0, shownChanges),
      foldedCount: folded.length,
      moreCount: Math.max(0, single.length - shownChanges),
      redactedCount,
    };
  } catch (error) {
    if (call.signal?.aborted) throw error;
    return { ...unavailable, reason: PyroError.from(error).message };
  }
}

/** A directory that came or went with its files says nothing more. */
function isToldByItsFiles({ artifactType, inPatch, status }: DiffEntry): boolean {
  return artifactType === "directory" && inPatch && (status === "added" || status === "deleted");
}

function newest<T>(items: readonly T[]): readonly T[] {
  return items.slice(-recentCount).reverse();
}

function historyOf({ layout }: EngineContext, { workspaceId, resetCount }: WorkspaceRecord): string {
  return new WorkspacePlace(layout.workspacesDir, workspaceId).historyDir(resetCount);
}
