import * as z from "zod";
import { policyInWords, workspaceView } from "../life/workspace-view.ts";
import { visibleState, type WorkspaceRecord, workspaceStates } from "../record/record.ts";

/** A machine for one command as every operation on it but `exec` and `delete` gives it. */
export const vmView = workspaceView
  .pick({
    environment: true,
    stateReason: true,
    createdAt: true,
    expiresAt: true,
    networkPolicy: true,
    networkRules: true,
    hostCertificates: true,
    executionMode: true,
    isolation: true,
    vcpuCount: true,
    memMib: true,
  })
  .extend({
    vmId: z.string(),
    state: z.enum(["created", ...workspaceStates]).describe("created: it was never started"),
  });
export type VmView = z.output<typeof vmView>;

export function vmViewOf(record: WorkspaceRecord): VmView {
  const { workspaceId: vmId, environment, network, ...rest } = record;
  const { mode: networkPolicy, ...networkRules } = network;
  const state = visibleState(record);
  return { ...rest, vmId, environment: environment.name, state, networkPolicy, networkRules, executionMode: "guest" };
}

/** A machine in full, line by line. */
export function renderVm(view: VmView): string {
  const { isolation } = view;
  const lines = [
    `VM ID: ${view.vmId}`,
    `Environment: ${view.environment}`,
    `State: ${view.state}${view.stateReason === null ? "" : ` (${view.stateReason})`}`,
    `Network policy: ${policyInWords(view)}`,
    ...(view.hostCertificates ?? []).map(({ subject }) => `Trusts: ${subject}`),
    `Execution mode: ${view.executionMode}`,
    `Isolation: ${isolation ? `${isolation.vmm}, ${isolation.accelerator}` : "none yet"}`,
    `Resources: ${view.vcpuCount} vCPU / ${view.memMib} MiB`,
    `Created: ${view.createdAt}`,
    `Expires: ${view.expiresAt}`,
  ];
  return `${lines.join("\n")}\n`;
}
