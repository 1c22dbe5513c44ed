import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { envInspect, envList, envPrune, envPull } from "./env.ts";
import { prepare } from "./prepare.ts";
import { run } from "./run.ts";
import { snapshotCreate, snapshotDelete, snapshotList, workspaceReset } from "./workspace-checkpoints.ts";
import { workspaceExec } from "./workspace-exec.ts";
import {
  workspaceExport,
  workspaceFileList,
  workspaceFileRead,
  workspaceFileWrite,
  workspacePatchApply,
  workspaceSyncPush,
} from "./workspace-files.ts";
import {
  workspaceCreate,
  workspaceDelete,
  workspaceList,
  workspaceStart,
  workspaceStatusOperation,
  workspaceStop,
  workspaceUpdate,
} from "./workspace-life.ts";
import { workspaceLogs } from "./workspace-logs.ts";
import { workspaceDiff, workspaceSummary } from "./workspace-review.ts";

/** Every operation of pyro, in the order in which help lists them. */
export const operations = [
  ...[doctor, prepare, run, demo],
  ...[envList, envPull, envInspect, envPrune],
  ...[workspaceCreate, workspaceList, workspaceStatusOperation, workspaceUpdate],
  ...[workspaceExec, workspaceLogs, workspaceFileList, workspaceFileRead, workspaceFileWrite],
  ...[workspacePatchApply, workspaceSyncPush, workspaceDiff, workspaceSummary, workspaceExport],
  ...[snapshotCreate, snapshotList, snapshotDelete, workspaceReset],
  ...[workspaceStop, workspaceStart, workspaceDelete],
] as const;
