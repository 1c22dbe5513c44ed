import { offline } from "../../src/network/policy/rules.ts";
import type { WorkspaceRecord } from "../../src/workspaces/record/record.ts";

const now = "2026-01-01T00:00:00.000Z";

/** The record of a workspace that runs, with what a test wants to be different. */
export function workspaceRecord(different: Partial<WorkspaceRecord> = {}): WorkspaceRecord {
  return {
    formatVersion: 6,
    workspaceId: "0a1b2c3d4e5f",
    name: null,
    labels: {},
    environment: {
      name: "debian:12",
      version: "1.0.0",
      digest: "sha256:0",
      kernelPath: "/k",
      modulesPath: "/m",
      rootImagePath: "/r",
    },
    state: "started",
    stateReason: null,
    vcpuCount: 1,
    memMib: 1024,
    network: offline,
    publishedPorts: [],
    services: [],
    secrets: [],
    hostCertificates: null,
    isolation: { vmm: "qemu", accelerator: "tcg" },
    createdAt: now,
    lastActivityAt: now,
    sessionStartedAt: now,
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    seed: {
      mode: "empty",
      seedPath: null,
      originKind: "empty",
      originRef: null,
      destination: "/workspace",
      entryCount: 0,
      bytesWritten: 0,
    },
    layers: ["2.qcow2"],
    rootLayers: ["0.qcow2", "1.qcow2"],
    nextLayer: 3,
    rootUnsyncedIn: null,
    rootLoss: null,
    snapshots: [],
    baseline: null,
    commandCount: 0,
    lastCommand: null,
    resetCount: 0,
    lastResetAt: null,
    guardian: null,
    ...different,
  };
}
