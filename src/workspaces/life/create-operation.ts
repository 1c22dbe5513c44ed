import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { fitting } from "../../core/shorten.ts";
import {
  allowHostCompat,
  defaultEnvironment,
  environmentChoice,
  environmentName,
  hostPath,
  memMib,
  vcpuCount,
} from "../../operations/fields.ts";
import { hostCertificates, networkPolicy, networkRuleFields, networkRules } from "../../operations/network.ts";
import { defineOperation } from "../../operations/operation.ts";
import { archiveNames } from "../../tree/archive/format.ts";
import { skippedFiles } from "../file/results.ts";
import { modelSecretFields, secretFields } from "../secret/fields.ts";
import { givenSecrets } from "../secret/given.ts";
import { createWorkspace } from "./create.ts";
import { labels, renderWorkspace, viewOf, warningAboutLiterals, workspaceView } from "./workspace-view.ts";

const maxTtlSeconds = 30 * 86_400;
const defaultTtlSeconds = 86_400;

export const workspaceCreate = defineOperation({
  name: "workspace.create",
  summary: "Create a workspace: a virtual machine of its own, with your files in /workspace",
  effect: "write",
  input: z.object({
    environment: environmentName.default(defaultEnvironment),
    vcpuCount,
    memMib,
    ttlSeconds: z
      .number()
      .positive()
      .max(maxTtlSeconds)
      .default(defaultTtlSeconds)
      .describe("Time until it is stopped and removed, with its files"),
    networkPolicy,
    ...networkRuleFields,
    hostCertificates,
    allowHostCompat,
    seedPath: hostPath
      .optional()
      .describe(`Directory, ${archiveNames} on this host whose content the workspace begins with`),
    name: z.string().optional().describe("Name for people"),
    labels: labels.optional().describe("Label for finding it again, as KEY=VALUE; repeatable"),
    ...secretFields,
  }),
  output: workspaceView.extend({
    skippedFiles: skippedFiles.describe("What of the seed did not come along: devices, sockets, what cannot be read"),
    skippedCount: z.number(),
  }),
  cli: {
    positionals: ["environment"],
    without: ["secrets"],
    examples: [
      "workspace create debian:12 --seed-path ./repo --id-only",
      "workspace create debian:12 --seed-path ./repo --name fix-parser --label issue=123",
      "workspace create debian:12 --secret API_KEY --secret-file NPM_TOKEN=./token",
      "workspace create debian:12-build --vcpu-count 2 --mem-mib 4096 --ttl-seconds 3600 --json",
    ],
    part: { flag: "id-only", description: "Print only the identifier", text: (output) => `${output.workspaceId}\n` },
    text: renderWorkspace,
    warnings: ({ secrets }) => warningAboutLiterals(secrets),
    notes: ({ skippedFiles: skipped, skippedCount }) => [
      ...skipped.map(({ path, reason }) => `[warning] not in the workspace: ${path}: ${reason}`),
      ...(skippedCount > skipped.length
        ? [`[warning] … and ${skippedCount - skipped.length} more files are not in the workspace`]
        : []),
    ],
  },
  mcp: {
    description:
      "Create a workspace: a Linux virtual machine of its own with root and files in /workspace. It takes about a second, and longer only at the first use of an environment.",
    namedFields: [
      "workspaceId",
      "name",
      "environment",
      "state",
      "expiresAt",
      "workspaceSeed",
      "skippedFiles",
      "skippedCount",
    ],
    input: {
      environment: environmentChoice.default(defaultEnvironment),
      seedPath: hostPath
        .optional()
        .describe("Directory or archive (tar, zip) of the user's machine to begin with instead"),
      name: z.string().optional().describe("To be recognised by"),
      labels: labels.optional().describe('To be found again by, such as {"issue":"123"}'),
      ...modelSecretFields,
    },
    shortened: (output, maxChars) => ({ ...output, skippedFiles: fitting(output.skippedFiles, maxChars - 1_500) }),
  },
  async handle({ engine, signal, onProgress, project, networkCeiling, mayUseHost }, input) {
    if (input.allowHostCompat) refuseHostCompat();
    const { record, skipped } = await createWorkspace(
      engine,
      {
        environment: input.environment,
        shape: { vcpuCount: input.vcpuCount, memMib: input.memMib },
        ttlMs: input.ttlSeconds * 1000,
        name: input.name ?? null,
        labels: input.labels ?? {},
        hostCertificates: input.hostCertificates ?? engine.trustsHostCertificates,
        network: networkRules({ ...input, mode: input.networkPolicy }, networkCeiling),
        seed: input.seedPath ?? project,
        secrets: givenSecrets(input, mayUseHost),
      },
      { signal, onProgress },
    );
    return { ...viewOf(record), skippedFiles: skipped.slice(0, maxSkippedShown), skippedCount: skipped.length };
  },
});

const maxSkippedShown = 20;

/** Without a machine the workspace would be the host itself, for hours. */
function refuseHostCompat(): never {
  throw new PyroError("unsupported", "cannot run a workspace on this host: workspaces are always virtual machines", {
    hint: "Leave it out.",
  });
}
