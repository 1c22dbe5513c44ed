import * as z from "zod";
import { networkUseSchema } from "../../network/use.ts";
import { CollectedOutput, collectedOutputSchema } from "../../operations/collected-output.ts";
import { commandEnding, exitCodeMeaning, guestCommand } from "../../operations/command-fields.ts";
import { commandResultChars, endingInWords, shortenCommand, streamsText } from "../../operations/command-view.ts";
import { commandTimeoutSeconds, executionMode, isolation, shellText } from "../../operations/fields.ts";
import { networkLines } from "../../operations/network-view.ts";
import { defineOperation } from "../../operations/operation.ts";
import { execInVm } from "./caller.ts";
import { vmCall, vmIdField } from "./operations.ts";

const execOutput = z.object({
  vmId: z.string(),
  environment: z.string(),
  command: z.array(z.string()),
  executionMode,
  isolation,
  exitCode: z.number().describe(exitCodeMeaning),
  ...commandEnding.shape,
  ...collectedOutputSchema.shape,
  network: networkUseSchema,
  durationMs: z.number(),
  cleanup: z.object({ deleted: z.boolean(), reason: z.literal("post_exec_cleanup"), vmId: z.string() }),
});

export const vmExec = defineOperation({
  name: "vm.exec",
  summary: "Run the one command of a machine that runs; then the machine is deleted, also if the command fails",
  effect: "write",
  input: z.object({ vmId: vmIdField, command: guestCommand, timeoutSeconds: commandTimeoutSeconds }),
  output: execOutput,
  mcp: {
    description:
      "Run one shell command in a machine that vm_start has started, in /workspace, which is empty. Then the machine is deleted, also if the command fails or takes longer than timeout_seconds.",
    input: { command: shellText },
    maxChars: commandResultChars,
    shortened: (output, maxChars) =>
      shortenCommand(output, maxChars, () => "the machine is gone with them: use a workspace to read on"),
    text: (output) => {
      const { vmId, network, cleanup } = output;
      const fate = cleanup.deleted ? "which is gone" : "which will be removed";
      const reached = networkLines(network);
      const lines = [
        `${endingInWords(output)} (machine ${vmId}, ${fate})`,
        ...reached.map((line) => `Network: ${line}`),
      ];
      return `${lines.join("\n")}\n${streamsText(output)}`;
    },
  },
  async handle(context, input) {
    const { context: engine, workspaceId: vmId, signal } = await vmCall(context, input);
    const collected = new CollectedOutput(context);
    const { command, timeoutSeconds } = input;
    const request = { command, timeoutMs: timeoutSeconds * 1000 };
    const outcome = await execInVm(engine, vmId, request, { signal, ...collected.streams });
    return {
      ...outcome,
      vmId,
      command: [...outcome.command],
      executionMode: "guest" as const,
      // The caller has waited for the end, so there is an exit code.
      exitCode: outcome.exitCode ?? 1,
      ...collected.result(outcome),
      cleanup: { deleted: outcome.isDeleted, reason: "post_exec_cleanup" as const, vmId },
    };
  },
});
