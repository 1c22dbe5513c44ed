import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { networkPolicy, networkRuleFields } from "../../operations/network.ts";
import { defineOperation } from "../../operations/operation.ts";
import { currentRecord } from "../control/access.ts";
import type { NetworkChange } from "../record/network-change.ts";
import { modelSecretFields, secretFields } from "../secret/fields.ts";
import { givenSecrets } from "../secret/given.ts";
import { deleteWorkspace, startWorkspace, stopWorkspace, updateWorkspace } from "./caller.ts";
import { labels, renderWorkspace, shortenWorkspace, viewOf, workspaceId, workspaceView } from "./workspace-view.ts";

export const workspaceStatusOperation = defineOperation({
  name: "workspace.status",
  summary: "Show everything about one workspace",
  effect: "read",
  input: z.object({ workspaceId }),
  output: workspaceView,
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace status 0a1b2c3d4e5f", "workspace status 0a1b2c3d4e5f --json"],
    text: renderWorkspace,
  },
  mcp: {
    description: "Show a workspace: its state, where its files came from, the last command, when it expires.",
    shortened: shortenWorkspace,
  },
  async handle({ engine }, input) {
    return viewOf(await currentRecord(engine, input.workspaceId));
  },
});

const updateInput = z.object({
  workspaceId,
  name: z.string().optional().describe("New name"),
  clearName: z.boolean().default(false).describe("Take its name away"),
  labels: labels.optional().describe("Label to set, as KEY=VALUE; repeatable"),
  clearLabels: z.array(z.string()).optional().describe("Key of a label to take away; repeatable"),
  networkPolicy: networkPolicy.describe("New network policy"),
  ...networkRuleFields,
  clearNetworkRules: z
    .boolean()
    .default(false)
    .describe("Take away all rules about hosts, before those are added that are given"),
});

export const workspaceUpdate = defineOperation({
  name: "workspace.update",
  summary: "Change a workspace's name, labels and what it may reach",
  effect: "write",
  input: updateInput,
  output: workspaceView,
  cli: {
    positionals: ["workspaceId"],
    examples: [
      "workspace update 0a1b2c3d4e5f --name fix-parser --label owner=me",
      "workspace update 0a1b2c3d4e5f --clear-name --clear-label owner",
      "workspace update 0a1b2c3d4e5f --network-policy egress --allow npm --allow-host api.example.com",
    ],
    text: renderWorkspace,
  },
  mcp: {
    description: "Change a workspace's name and labels.",
    namedFields: ["workspaceId", "name", "labels"],
    shortened: shortenWorkspace,
    isIdempotent: true,
    input: {
      labels: labels.optional().describe("Labels to set"),
      clearLabels: z.array(z.string()).optional().describe("Labels to take away"),
    },
  },
  async handle({ engine: context, signal }, input) {
    const { workspaceId: id, name, clearName, labels: setLabels = {}, clearLabels = [] } = input;
    if (name !== undefined && clearName) {
      throw new PyroError("invalid_argument", "cannot both set and clear the name of a workspace");
    }
    const named = clearName ? { name: null } : name === undefined ? {} : { name };
    const update = { ...named, setLabels, clearLabels, ...networkUpdate(input) };
    return viewOf(await updateWorkspace({ context, workspaceId: id, signal }, update));
  },
});

/** A change of the network, if the input has one. */
function networkUpdate({
  networkPolicy: mode,
  allow = [],
  allowHosts = [],
  denyHosts = [],
  allowPrivate = [],
  clearNetworkRules: clearRules,
}: z.output<typeof updateInput>): { network?: NetworkChange } {
  const add = { presets: allow, allowHosts, denyHosts, allowPrivate };
  const isEmpty = mode === undefined && !clearRules && Object.values(add).every((list) => list.length === 0);
  return isEmpty ? {} : { network: { ...(mode === undefined ? {} : { mode }), clearRules, add } };
}

export const workspaceStop = defineOperation({
  name: "workspace.stop",
  summary: "Switch a workspace's machine off; its files, snapshots and history stay",
  effect: "write",
  input: z.object({ workspaceId }),
  output: workspaceView,
  cli: { positionals: ["workspaceId"], examples: ["workspace stop 0a1b2c3d4e5f"], text: renderWorkspace },
  mcp: { isIdempotent: true, shortened: shortenWorkspace },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    return viewOf(await stopWorkspace({ context, workspaceId: id, signal }));
  },
});

export const workspaceStart = defineOperation({
  name: "workspace.start",
  summary: "Start a stopped or failed workspace where it was, without a reset",
  effect: "write",
  input: z.object({ workspaceId, ...secretFields }),
  output: workspaceView,
  cli: {
    positionals: ["workspaceId"],
    without: ["secrets"],
    examples: ["workspace start 0a1b2c3d4e5f", "workspace start 0a1b2c3d4e5f --secret-file API_KEY=./new-key"],
    text: renderWorkspace,
  },
  mcp: { isIdempotent: true, shortened: shortenWorkspace, input: modelSecretFields },
  async handle({ engine: context, signal, mayUseHost }, { workspaceId: id, ...input }) {
    return viewOf(await startWorkspace({ context, workspaceId: id, signal }, givenSecrets(input, mayUseHost)));
  },
});

export const workspaceDelete = defineOperation({
  name: "workspace.delete",
  summary: "End a workspace and remove everything of it",
  effect: "destroy",
  input: z.object({ workspaceId }),
  output: z.object({ workspaceId: z.string(), deleted: z.boolean() }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace delete 0a1b2c3d4e5f"],
    text: (output) => `Deleted workspace: ${output.workspaceId}\n`,
  },
  mcp: {
    description: "Delete a workspace with its files, snapshots and history. Get what is needed out of it first.",
    isIdempotent: true,
  },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    await deleteWorkspace({ context, workspaceId: id, signal });
    return { workspaceId: id, deleted: true };
  },
});
