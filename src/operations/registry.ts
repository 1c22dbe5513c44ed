import { envInspect, envList, envPrune, envPull } from "../images/operations.ts";
import { doctor } from "../machines/doctor/operation.ts";
import { demo } from "../machines/one-off/demo-operation.ts";
import { run } from "../machines/one-off/run-operation.ts";
import { workspaceDiff } from "../workspaces/change/diff-operation.ts";
import { workspaceSummary } from "../workspaces/change/summary-operation.ts";
import { snapshotCreate, snapshotDelete, snapshotList, workspaceReset } from "../workspaces/checkpoint/operations.ts";
import { workspaceExec } from "../workspaces/command/exec-operation.ts";
import { workspaceLogs } from "../workspaces/command/logs-operation.ts";
import { workspaceDiskExport, workspaceDiskList, workspaceDiskRead } from "../workspaces/disk/operations.ts";
import {
  workspaceFileEdit,
  workspaceFileList,
  workspaceFileRead,
  workspaceFileWrite,
} from "../workspaces/file/operations.ts";
import { workspacePatchApply } from "../workspaces/file/patch-operation.ts";
import { workspaceExport, workspaceSyncPush } from "../workspaces/file/transfer-operations.ts";
import { workspaceCreate } from "../workspaces/life/create-operation.ts";
import { workspaceList } from "../workspaces/life/list-operation.ts";
import {
  workspaceDelete,
  workspaceStart,
  workspaceStatusOperation,
  workspaceStop,
  workspaceUpdate,
} from "../workspaces/life/operations.ts";
import { networkPresets, workspaceNetwork } from "../workspaces/network/operations.ts";
import { workspacePortClose, workspacePortList, workspacePortPublish } from "../workspaces/port/operations.ts";
import { prepare } from "../workspaces/prepare/operation.ts";
import {
  serviceList,
  serviceLogs,
  serviceStart,
  serviceStatus,
  serviceStop,
} from "../workspaces/service/operations.ts";
import { shellAttach } from "../workspaces/shell/attach-operation.ts";
import {
  shellClose,
  shellList,
  shellOpen,
  shellRead,
  shellResize,
  shellSignal,
  shellWrite,
} from "../workspaces/shell/operations.ts";
import { vmExec } from "../workspaces/vm/exec-operation.ts";
import {
  vmCreate,
  vmDelete,
  vmNetworkInfo,
  vmReapExpired,
  vmStart,
  vmStatus,
  vmStop,
} from "../workspaces/vm/operations.ts";

/** Every operation of pyro, in the order in which help lists them. */
export const operations = [
  ...[doctor, prepare, run, demo],
  ...[envList, envPull, envInspect, envPrune],
  ...[workspaceCreate, workspaceList, workspaceStatusOperation, workspaceUpdate],
  ...[workspaceExec, workspaceLogs, workspaceFileList, workspaceFileRead, workspaceFileWrite, workspaceFileEdit],
  ...[workspacePatchApply, workspaceSyncPush, workspaceDiff, workspaceSummary, workspaceExport],
  ...[serviceStart, serviceList, serviceStatus, serviceLogs, serviceStop],
  ...[shellOpen, shellList, shellRead, shellWrite, shellSignal, shellResize, shellAttach, shellClose],
  ...[workspacePortPublish, workspacePortList, workspacePortClose, workspaceNetwork, networkPresets],
  ...[snapshotCreate, snapshotList, snapshotDelete, workspaceReset],
  ...[workspaceStop, workspaceStart, workspaceDelete],
  ...[workspaceDiskExport, workspaceDiskList, workspaceDiskRead],
  ...[vmCreate, vmStart, vmExec, vmStop, vmDelete, vmStatus, vmNetworkInfo, vmReapExpired],
] as const;
