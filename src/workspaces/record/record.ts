import * as z from "zod";
import { checkWire, toWire } from "../../core/wire-case.ts";
import { commandEndSchema } from "../../guest/messages.ts";
import { processIdentitySchema } from "../../host/process-identity.ts";
import { hostCertificateSchema } from "../../network/certificates/host.ts";
import { networkRulesSchema, offline } from "../../network/policy/rules.ts";
import { begunCommandSchema, commandsOf, type JournaledCommand, type JournalLine } from "./journal.ts";
import { anyId, isIdOf } from "./kind.ts";
import { publishedPortSchema } from "./port.ts";
import { secretRecordSchema } from "./secret.ts";
import { serviceRecordSchema } from "./service.ts";

const seedModes = ["empty", "directory", "tar_archive"] as const;
const originKinds = ["empty", "manual_seed_path", "project_path", "repo_url"] as const;

/** Origin of a workspace's first files. */
export const workspaceSeedSchema = z.object({
  mode: z.enum(seedModes),
  seedPath: z.string().nullable(),
  originKind: z.enum(originKinds),
  originRef: z.string().nullable(),
  destination: z.string(),
  entryCount: z.number(),
  bytesWritten: z.number(),
});
export type WorkspaceSeed = z.output<typeof workspaceSeedSchema>;

export const workspaceStates = ["starting", "started", "stopped", "failed"] as const;

/**
 * Names of files in the workspace's `disks`, from the one over the seed to the one that is written.
 */
const layerNames = z.array(z.string().regex(/^\d{1,9}\.qcow2$/));

export const snapshotRecordSchema = z.object({
  snapshotName: z.string(),
  createdAt: z.string(),
  entryCount: z.number(),
  bytesWritten: z.number(),
  /** Layers of its disk over the seed */
  layers: layerNames,
});
export type SnapshotRecord = z.output<typeof snapshotRecordSchema>;

/** A command in short. Its exit code is null while it runs, or if its end is unknown. */
export const lastCommandSchema = begunCommandSchema.extend({
  exitCode: commandEndSchema.shape.exitCode,
  durationMs: commandEndSchema.shape.durationMs.nullable(),
});
export type LastCommand = z.output<typeof lastCommandSchema>;

/** A root disk that was replaced by the environment's. */
export const rootLossSchema = z.object({ at: z.string(), reason: z.string() });

/**
 * The record of a workspace. Only its disks and its journal are kept apart. While it runs, the
 * journal alone knows its last command and activity.
 */
export const workspaceRecordSchema = z.object({
  formatVersion: z.literal(6),
  workspaceId: z.string().regex(anyId),
  name: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  environment: z.object({
    name: z.string(),
    version: z.string(),
    digest: z.string(),
    kernelPath: z.string(),
    modulesPath: z.string(),
    rootImagePath: z.string(),
  }),
  state: z.enum(workspaceStates),
  /** Why it is in a state that no caller asked for */
  stateReason: z.string().nullable(),
  vcpuCount: z.number(),
  memMib: z.number(),
  /** What its guest may reach */
  network: networkRulesSchema,
  publishedPorts: z.array(publishedPortSchema),
  /** Since the last reset, in the order of their first start */
  services: z.array(serviceRecordSchema),
  secrets: z.array(secretRecordSchema),
  /** Certificate authorities of the host that its guest trusts; null: it is to trust none */
  hostCertificates: z.array(hostCertificateSchema).nullable(),
  isolation: z.object({ vmm: z.string(), accelerator: z.enum(["kvm", "tcg"]) }).nullable(),
  createdAt: z.string(),
  lastActivityAt: z.string(),
  expiresAt: z.string(),
  /** Start of its history: its creation or its last reset */
  sessionStartedAt: z.string(),
  seed: workspaceSeedSchema,
  /** Layers of its disk over the seed. The guest writes to the last one */
  layers: layerNames,
  /**
   * Its root disk now: these over the environment's root image. The guest writes to the last one
   */
  rootLayers: layerNames,
  nextLayer: z.number(),
  /**
   * Storage session (`storageSession`) in which the root disk was written without being synced.
   * What it holds is lost with that session. null: all of it is on the disk
   */
  rootUnsyncedIn: z.string().nullable(),
  /** When and why everything outside `/workspace` was lost, since the last reset */
  rootLoss: rootLossSchema.nullable(),
  snapshots: z.array(snapshotRecordSchema),
  /**
   * The baseline, if something was pushed into it since the workspace began: its disk, which has
   * the changes of that moment too
   */
  baseline: snapshotRecordSchema.pick({ entryCount: true, bytesWritten: true, layers: true }).nullable(),
  commandCount: z.number(),
  lastCommand: lastCommandSchema.nullable(),
  resetCount: z.number(),
  lastResetAt: z.string().nullable(),
  /** The process that removes the workspace when it expires, if the supervisor cannot */
  guardian: processIdentitySchema.nullable(),
});
checkWire(workspaceRecordSchema, "workspace record");
export type WorkspaceRecord = z.output<typeof workspaceRecordSchema>;

const storedVersionSchema = z.looseObject({ format_version: z.number() });

/** Brings a record that an older version of pyro has written into today's form. */
export function migrateRecord(stored: unknown): unknown {
  const { data } = storedVersionSchema.safeParse(stored);
  switch (data?.format_version) {
    case 1:
      // It did not sync root disks either, but did not note it.
      return migrateRecord({ ...data, format_version: 2, root_unsynced_in: null, root_loss: null });
    case 2:
      return migrateRecord({ ...data, format_version: 3, baseline: null });
    case 3: {
      const { network_policy: _, ...rest } = data;
      return migrateRecord({
        ...rest,
        format_version: 4,
        network: toWire(networkRulesSchema, offline),
        published_ports: [],
        host_certificates: null,
      });
    }
    case 4:
      return migrateRecord({ ...data, format_version: 5, services: [] });
    case 5:
      return { ...data, format_version: 6, secrets: [] };
    default:
      return stored;
  }
}

/** A command of the history in short. */
export function inShort({ sequence, command, cwd, end }: Omit<JournaledCommand, "startedAt">): LastCommand {
  return { sequence, command, cwd, exitCode: end?.exitCode ?? null, durationMs: end?.durationMs ?? null };
}

/**
 * The record, which is rewritten with each command, keeps the beginning of a long one. The history
 * has it whole.
 */
const maxCommandLength = 4096;

/** A command of the history as the record keeps it. */
export function lastCommandOf(command: Omit<JournaledCommand, "startedAt">): LastCommand {
  return { ...inShort(command), command: shortCommand(command.command) };
}

function shortCommand(command: readonly string[]): string[] {
  const words: string[] = [];
  let length = 0;
  for (const word of command) {
    const room = maxCommandLength - length;
    if (word.length > room) return [...words, `${word.slice(0, room)}…`];
    words.push(word);
    length += word.length + 1;
  }
  return words;
}

/** The record of a workspace that runs, with what the end of its history says. */
export function withLatest(record: WorkspaceRecord, lines: readonly JournalLine[]): WorkspaceRecord {
  const lastActivityAt = [record.lastActivityAt, ...lines.map(({ at }) => at)].toSorted().at(-1) ?? "";
  const last = commandsOf(lines).at(-1);
  // A power cut can take the start of a command that the record has.
  if (!last || last.sequence < record.commandCount) return { ...record, lastActivityAt };
  return { ...record, lastActivityAt, commandCount: last.sequence, lastCommand: lastCommandOf(last) };
}

export const baselineName = "baseline";

/** Its state as callers see it: one that has had no machine yet is created, and not stopped. */
export function visibleState({ state, layers }: Pick<WorkspaceRecord, "state" | "layers">) {
  return state === "stopped" && layers.length === 0 ? ("created" as const) : state;
}

/** Whether its creation ended before it had a machine. */
export function isUnfinished({ state, layers }: Pick<WorkspaceRecord, "state" | "layers">): boolean {
  return state === "starting" && layers.length === 0;
}

/**
 * Whether it must be removed when no process owns it. No caller was ever told of a creation that
 * was not finished, and a machine for one command goes with its supervisor.
 */
export function isOrphan(record: Pick<WorkspaceRecord, "workspaceId" | "state" | "layers">): boolean {
  return isUnfinished(record) || (isIdOf("vm", record.workspaceId) && isActive(record));
}

/** Whether it counts as running: it has a supervisor, or has lost it unnoticed. */
export function isActive({ state }: Pick<WorkspaceRecord, "state">): boolean {
  return state === "started" || state === "starting";
}

export function isExpired(record: Pick<WorkspaceRecord, "expiresAt">): boolean {
  return Date.parse(record.expiresAt) <= Date.now();
}
