import { chmod, copyFile } from "node:fs/promises";
import { chooseAccelerator } from "../../machines/accelerator.ts";
import type { EngineContext } from "../../machines/context.ts";
import { bootMachine, forkMachine, type Machine, type MachineDisks } from "../../machines/machine.ts";
import { requireRoomForMachine } from "../../machines/room.ts";
import { forkTemplate } from "../../machines/templates/fork.ts";
import type { Template, TemplateFile } from "../../machines/templates/store.ts";
import { findVmTools } from "../../machines/vm-tools.ts";
import { emptyLayerName, mergeablePair, withoutLayer } from "../checkpoint/layers.ts";
import { complain } from "../control/complain.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { saveWorkspace, syncLayers, type WorkspacePlace } from "../record/store.ts";
import { requireEnvironmentFiles } from "./environment-use.ts";

const bootTimeoutMs = 120_000;

/** The workspace that a machine is made for. */
export interface MachineRequest {
  readonly context: EngineContext;
  readonly place: WorkspacePlace;
  readonly record: WorkspaceRecord;
  readonly signal?: AbortSignal | undefined;
}

type DiskState = Pick<WorkspaceRecord, "layers" | "rootLayers" | "nextLayer">;

export interface ForkedWorkspaceMachine {
  readonly machine: Machine;
  /** The record's part on its disks */
  readonly disks: DiskState;
}

/** A state of the workspace's disk to begin with. */
export interface Checkpoint {
  /** Layers over the seed */
  readonly layers: readonly string[];
  /** Whether the disk has changes that are no part of the checkpoint */
  readonly hasChanges: boolean;
}

/** A new machine with a new root disk and memory, whose `/workspace` is a checkpoint. */
export async function forkWorkspaceMachine(
  wanted: MachineRequest,
  checkpoint: Checkpoint,
): Promise<ForkedWorkspaceMachine> {
  const { context, place, record, signal } = wanted;
  const { environment, vcpuCount, memMib, workspaceId } = record;
  await requireEnvironmentFiles(record);
  await requireRoomForMachine(place.dir);
  const tools = await findVmTools(context);
  let disks: DiskState = record;
  const request = { ...tools, environment, shape: { vcpuCount, memMib }, rebuild: false };
  const machine = await forkTemplate(context, request, { signal }, async (template) => {
    disks = await makeDisks(place, template, disks.nextLayer, checkpoint.layers);
    return forkMachine({
      id: workspaceId,
      driver: tools.driver,
      template,
      environment,
      signal,
      disks: machineDisks(place, { ...record, ...disks }),
      workspace: checkpoint.hasChanges ? "baseline" : "as-it-is",
    });
  });
  return { machine, disks };
}

/**
 * Merges layers that no snapshot needs apart any more, and returns the record after that. No
 * machine may have them open. If a merge fails, the longer chain works as well.
 */
export async function mergeLayers({ context, place, record }: MachineRequest): Promise<WorkspaceRecord> {
  let merged = record;
  for (let pair = mergeablePair(merged); pair; pair = mergeablePair(merged)) {
    const { disks } = await findVmTools(context);
    const upTo = merged.layers.slice(0, merged.layers.indexOf(pair.upper) + 1);
    const { workspaceDisk } = machineDisks(place, { ...merged, layers: upTo });
    try {
      await disks.mergeTopLayer(workspaceDisk.layers);
    } catch (error) {
      complain("cannot merge layers", error);
      return merged;
    }
    await syncLayers(place, [pair.lower]);
    merged = { ...merged, ...withoutLayer(merged, pair.upper) };
    await saveWorkspace(place, merged);
  }
  return merged;
}

/** Boots the stopped machine's disks. A fork is no choice: no template's memory fits them. */
export async function bootWorkspaceMachine({ context, place, record, signal }: MachineRequest): Promise<Machine> {
  const { environment, vcpuCount, memMib, workspaceId } = record;
  await requireEnvironmentFiles(record);
  await requireRoomForMachine(place.dir);
  const tools = await findVmTools(context);
  const { accelerator } = await chooseAccelerator(context, { ...tools, environment }, { signal });
  const { agentPath, scratchDir } = context.layout;
  return bootMachine({
    id: workspaceId,
    driver: tools.driver,
    environment,
    shape: { vcpuCount, memMib },
    accelerator,
    agentPath,
    scratchDir,
    signal,
    disks: machineDisks(place, record),
    workspace: "as-it-is",
    timeoutMs: bootTimeoutMs,
  });
}

/** New layers, under numbers that were never used: a machine that still runs keeps its own. */
async function makeDisks(
  place: WorkspacePlace,
  template: Template,
  firstNumber: number,
  checkpoint: readonly string[],
): Promise<DiskState> {
  let nextLayer = firstNumber;
  const copy = async (file: TemplateFile, mode: number) => {
    const name = `${nextLayer++}.qcow2`;
    await copyLayer(template.pathOf(file), place.layerPath(name), mode);
    return name;
  };
  // Another process may remove the template, so the workspace needs its own copy of each layer.
  const [base, rootTop, workspaceTop] = await Promise.all([
    copy("rootLayer", 0o444),
    copy("emptyRootLayer", 0o600),
    copy("emptyWorkspaceLayer", 0o600),
    copyLayer(template.pathOf("emptyWorkspaceLayer"), place.layerPath(emptyLayerName), 0o600),
  ]);
  await syncLayers(place, [workspaceTop, emptyLayerName]);
  return { layers: [...checkpoint, workspaceTop], rootLayers: [base, rootTop], nextLayer };
}

/** Copies a layer, as a reflink if the file system has them. */
export async function copyLayer(source: string, target: string, mode: number): Promise<void> {
  await copyFile(source, target);
  await chmod(target, mode);
}

/** The disks of a machine of the workspace. */
export function machineDisks(
  place: WorkspacePlace,
  record: Pick<WorkspaceRecord, "environment" | "layers" | "rootLayers">,
): MachineDisks {
  const layer = (name: string) => ({ path: place.layerPath(name), format: "qcow2" }) as const;
  const rootImage = { path: record.environment.rootImagePath, format: "raw" } as const;
  const seed = { path: place.seedPath, format: "raw" } as const;
  return {
    // What is lost of a root disk with the host's power can be installed again.
    rootDisk: { layers: [rootImage, ...record.rootLayers.map(layer)], disposable: false, durable: false },
    workspaceDisk: { layers: [seed, ...record.layers.map(layer)], disposable: false, durable: true },
    layersDir: place.disksDir,
  };
}
