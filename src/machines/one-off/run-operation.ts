import * as z from "zod";
import { hostCertificateSchema } from "../../network/certificates/host.ts";
import { egressFlag } from "../../network/policy/verdict.ts";
import { networkUseSchema } from "../../network/use.ts";
import { CollectedOutput, collectedOutputSchema } from "../../operations/collected-output.ts";
import { commandEnding, endingFacts, exitCodeMeaning, guestCommand } from "../../operations/command-fields.ts";
import { commandResultChars, endingInWords, shortenCommand, streamsText } from "../../operations/command-view.ts";
import {
  allowHostCompat,
  commandTimeoutSeconds,
  environmentChoice,
  environmentName,
  executionMode,
  isolation,
  limitSeconds,
  memMib,
  shellText,
  vcpuCount,
} from "../../operations/fields.ts";
import { egressRules, hostCertificates, networkAccess, networkRuleFields } from "../../operations/network.ts";
import { networkLines } from "../../operations/network-view.ts";
import { defineOperation } from "../../operations/operation.ts";
import { exitStatus } from "../exit-status.ts";
import { commandWords } from "../guest-command.ts";
import { runCommand } from "./run.ts";

const outputSchema = z.object({
  environment: z.string(),
  command: z.array(z.string()),
  executionMode,
  isolation,
  hostCompatReason: z.string().nullable().describe("Why the command ran on the host"),
  exitCode: z.number().describe(exitCodeMeaning),
  ...commandEnding.shape,
  ...collectedOutputSchema.shape,
  network: networkUseSchema,
  hostCertificates: z
    .array(hostCertificateSchema)
    .describe("Certificate authorities of the host that the guest trusted"),
  durationMs: z.number().describe("From the request to the end of the command"),
  readyMs: z.number().describe("From the request until the machine could take the command"),
});

export const run = defineOperation({
  name: "run",
  summary: "Run one command in a fresh virtual machine, which is gone afterwards",
  effect: "write",
  input: z.object({
    environment: environmentName,
    command: guestCommand,
    vcpuCount,
    memMib,
    timeoutSeconds: commandTimeoutSeconds,
    ttlSeconds: limitSeconds.default(600).describe("Time limit for the machine"),
    network: networkAccess,
    ...networkRuleFields,
    hostCertificates,
    allowHostCompat,
  }),
  output: outputSchema,
  cli: {
    positionals: ["environment", "command"],
    examples: [
      "run debian:12 -- git --version",
      "run debian:12 --timeout-seconds 120 -- sh -c 'echo $HOSTNAME; nproc'",
      "run debian:12-build --vcpu-count 2 --mem-mib 2048 --json -- gcc --version",
    ],
    notes: runNotes,
    exitCode: (output) => output.exitCode,
  },
  mcp: {
    name: "vm_run",
    description:
      "Run one shell command in a fresh virtual machine, which is gone afterwards. It has none of the user's files.",
    input: {
      environment: environmentChoice,
      command: shellText,
      allowHostCompat: z
        .boolean()
        .default(false)
        .describe(
          "Only if the user has allowed the server to: run on the host, WITHOUT isolation, when no virtual machine can be had",
        ),
    },
    maxChars: commandResultChars,
    shortened: (output, maxChars) =>
      shortenCommand(output, maxChars, () => "the machine is gone with them: use a workspace to read on"),
    text: (output) => {
      const { hostCompatReason } = output;
      const where = hostCompatReason === null ? "" : `It ran on the host, isolated from nothing: ${hostCompatReason}\n`;
      const reached = networkLines(output.network, sayNetworkFlag).map((line) => `Network: ${line}\n`);
      return `${endingInWords(output)}\n${where}${reached.join("")}${streamsText(output)}`;
    },
  },
  async handle(context, input) {
    const { engine, signal, onProgress, networkCeiling } = context;
    const network = egressRules(input.network, input, networkCeiling);
    const collected = new CollectedOutput(context);
    const { environment, command } = input;
    const { ending, ...outcome } = await runCommand(
      engine,
      {
        environment,
        command,
        shape: { vcpuCount: input.vcpuCount, memMib: input.memMib },
        timeoutMs: input.timeoutSeconds * 1000,
        ttlMs: input.ttlSeconds * 1000,
        network,
        hostCertificates: input.hostCertificates ?? engine.trustsHostCertificates,
        allowHostCompat: input.allowHostCompat && context.mayUseHost !== false,
      },
      { signal, onProgress, ...collected.streams },
    );
    const status = exitStatus(ending);
    return { ...status, ...outcome, environment, command: commandWords(command), ...collected.result() };
  },
});

function runNotes(output: z.output<typeof outputSchema>): readonly string[] {
  const { environment, executionMode, exitCode, durationMs, startError, hostCompatReason } = output;
  const facts = [
    `environment=${environment} execution_mode=${executionMode} exit_code=${exitCode} duration_ms=${Math.round(durationMs)}`,
    ...endingFacts(output),
  ];
  return [
    ...(hostCompatReason === null
      ? []
      : [`[warning] this ran on the host, isolated from nothing: ${hostCompatReason}`]),
    ...(startError === null ? [] : [`[error] ${startError}`]),
    ...networkLines(output.network, sayNetworkFlag).map((line) => `[network] ${line}`),
    `[run] ${facts.join(" ")}`,
  ];
}

/** This operation has a flag of its own for the way out. */
function sayNetworkFlag(flags: string): string {
  return flags.replace(egressFlag, "--network");
}
