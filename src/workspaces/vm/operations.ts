import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { fitting } from "../../core/shorten.ts";
import { ledgerEntrySchema } from "../../network/ledger.ts";
import { namedAddresses } from "../../network/names.ts";
import {
  allowHostCompat,
  environmentChoice,
  environmentName,
  limitSeconds,
  memMib,
  vcpuCount,
} from "../../operations/fields.ts";
import { egressRules, hostCertificates, networkAccess, networkRuleFields } from "../../operations/network.ts";
import { defineOperation, type OperationContext } from "../../operations/operation.ts";
import { currentRecord, type WorkspaceCall } from "../control/access.ts";
import { deleteWorkspace, stopWorkspace } from "../life/caller.ts";
import { createWorkspace } from "../life/create.ts";
import { policyInWords } from "../life/workspace-view.ts";
import { workspaceLedger } from "../network/caller.ts";
import { entryLine } from "../network/operations.ts";
import { requireVmId } from "../record/find.ts";
import { WorkspacePlace } from "../record/store.ts";
import { reapExpiredVms, startVm } from "./caller.ts";
import { renderVm, vmView, vmViewOf } from "./vm-view.ts";

/** Entries of the ledger in a result, of the latest */
const maxEntries = 200;

export const vmIdField = z.string().min(1).max(120).describe("The machine's id, which begins with vm-");

/** The machine that a caller names. Fails if the id is of something else. */
export async function vmCall(
  { engine: context, signal }: OperationContext,
  { vmId }: { readonly vmId: string },
): Promise<WorkspaceCall> {
  return { context, workspaceId: await requireVmId(context.layout.workspacesDir, vmId), signal };
}

export const vmCreate = defineOperation({
  name: "vm.create",
  summary: "Create a machine for one command, without starting it",
  effect: "write",
  input: z.object({
    environment: environmentName,
    vcpuCount,
    memMib,
    ttlSeconds: limitSeconds.default(600).describe("Time until it is removed, whatever it does then"),
    network: networkAccess,
    ...networkRuleFields,
    hostCertificates,
    allowHostCompat,
  }),
  output: vmView,
  mcp: {
    description:
      "Create a machine for one command, without starting it. Look at it with vm_status and vm_network_info, start it with vm_start, and run the command with vm_exec, which deletes it. vm_run does all of that in one call.",
    input: { environment: environmentChoice },
    text: renderVm,
  },
  async handle({ engine, signal, onProgress, networkCeiling }, input) {
    if (input.allowHostCompat) refuseHostCompat();
    const { record } = await createWorkspace(
      engine,
      {
        kind: "vm",
        environment: input.environment,
        shape: { vcpuCount: input.vcpuCount, memMib: input.memMib },
        ttlMs: input.ttlSeconds * 1000,
        name: null,
        labels: {},
        hostCertificates: input.hostCertificates ?? engine.trustsHostCertificates,
        network: egressRules(input.network, input, networkCeiling),
      },
      { signal, onProgress },
    );
    return vmViewOf(record);
  },
});

/** A machine on the host could be neither looked at nor stopped. */
function refuseHostCompat(): never {
  throw new PyroError("unsupported", "cannot create a machine on this host: it is always a virtual machine", {
    hint: hint`Leave it out, or use ${named("run")}.`,
  });
}

export const vmStart = defineOperation({
  name: "vm.start",
  summary: "Start a machine, so that it can run its command",
  effect: "write",
  input: z.object({ vmId: vmIdField }),
  output: vmView,
  mcp: { isIdempotent: true, text: renderVm, namedFields: ["vmId", "state", "isolation"] },
  async handle(context, input) {
    const { workspaceId, signal } = await vmCall(context, input);
    return vmViewOf(await startVm(context.engine, workspaceId, { signal, onProgress: context.onProgress }));
  },
});

export const vmStop = defineOperation({
  name: "vm.stop",
  summary: "Switch a machine off, which can be started again",
  effect: "write",
  input: z.object({ vmId: vmIdField }),
  output: vmView,
  mcp: { isIdempotent: true, text: renderVm, namedFields: ["vmId", "state", "isolation"] },
  async handle(context, input) {
    return vmViewOf(await stopWorkspace(await vmCall(context, input)));
  },
});

export const vmDelete = defineOperation({
  name: "vm.delete",
  summary: "Delete a machine that is to run no command",
  effect: "destroy",
  input: z.object({ vmId: vmIdField }),
  output: z.object({ vmId: z.string(), deleted: z.boolean(), reason: z.literal("explicit_delete") }),
  mcp: { isIdempotent: true, text: ({ vmId }) => `Deleted VM: ${vmId}` },
  async handle(context, input) {
    const wanted = await vmCall(context, input);
    await deleteWorkspace(wanted);
    return { vmId: wanted.workspaceId, deleted: true, reason: "explicit_delete" as const };
  },
});

export const vmStatus = defineOperation({
  name: "vm.status",
  summary: "Show everything about a machine",
  effect: "read",
  input: z.object({ vmId: vmIdField }),
  output: vmView,
  mcp: { text: renderVm },
  async handle(context, input) {
    const { workspaceId } = await vmCall(context, input);
    return vmViewOf(await currentRecord(context.engine, workspaceId));
  },
});

const networkInfo = vmView.pick({ vmId: true, state: true, networkPolicy: true, networkRules: true }).extend({
  addresses: z
    .array(z.object({ name: z.string(), address: z.string() }))
    .describe("What names stand for inside the guest, which has no network card and no address of its own"),
  total: z.number().describe("Entries that there are"),
  deniedCount: z.number().describe("Those of them that the network policy denied"),
  entries: z.array(ledgerEntrySchema),
});

export const vmNetworkInfo = defineOperation({
  name: "vm.networkInfo",
  summary: "Show what a machine may reach in the network, what it has reached, and what was denied",
  effect: "read",
  input: z.object({ vmId: vmIdField }),
  output: networkInfo,
  mcp: {
    name: "vm_network_info",
    text: networkText,
    shortened: (output, maxChars) => ({
      ...output,
      addresses: fitting(output.addresses, maxChars / 4),
      entries: fitting(output.entries, maxChars / 2),
    }),
  },
  async handle(context, input) {
    const wanted = await vmCall(context, input);
    const { vmId, state, networkPolicy, networkRules } = vmViewOf(
      await currentRecord(context.engine, wanted.workspaceId),
    );
    const entries = await workspaceLedger(wanted);
    const { namesPath } = new WorkspacePlace(context.engine.layout.workspacesDir, vmId);
    return {
      vmId,
      state,
      networkPolicy,
      networkRules,
      addresses: await namedAddresses(namesPath),
      total: entries.length,
      deniedCount: entries.filter(({ verdict }) => verdict === "denied").length,
      entries: entries.slice(-maxEntries),
    };
  },
});

function networkText(info: z.output<typeof networkInfo>): string {
  const { vmId, state, addresses, entries, total, deniedCount } = info;
  const lines = [
    `VM ID: ${vmId}`,
    `State: ${state}`,
    `Network policy: ${policyInWords(info)}`,
    ...addresses.map(({ name, address }) => `Address: ${address} is ${name}`),
    `Connections and denials: ${total}, of which ${deniedCount} were denied`,
    ...entries.map(entryLine),
  ];
  return lines.join("\n");
}

export const vmReapExpired = defineOperation({
  name: "vm.reapExpired",
  summary: "Remove the machines that have expired, and say which",
  effect: "write",
  input: z.object({}),
  output: z.object({ count: z.number(), reapedVmIds: z.array(z.string()) }),
  mcp: {
    name: "vm_reap_expired",
    description:
      "Remove the machines that have expired, and say which. They are removed without it too, a moment after their time.",
    isIdempotent: true,
    text: ({ count, reapedVmIds }) => (count === 0 ? "No machine has expired." : `Removed: ${reapedVmIds.join(", ")}`),
  },
  async handle({ engine, signal }) {
    const reapedVmIds = [...(await reapExpiredVms(engine, signal))];
    return { count: reapedVmIds.length, reapedVmIds };
  },
});
