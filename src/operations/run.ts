import * as z from "zod";
import { exitStatus } from "../sandbox/exit-status.ts";
import { runCommand } from "../sandbox/run.ts";
import { CollectedOutput, collectedOutputSchema } from "./collected-output.ts";
import { environmentName, executionMode, isolation, memMib, vcpuCount } from "./fields.ts";
import { refuseNetwork } from "./network.ts";
import { defineOperation } from "./operation.ts";

const outputSchema = z.object({
  environment: z.string(),
  command: z.array(z.string()),
  executionMode,
  isolation,
  hostCompatReason: z.string().nullable().describe("Why the command ran on the host"),
  exitCode: z
    .number()
    .describe("The command's; 128 + N after signal N, 124 after a timeout, 126 or 127 if it could not be started"),
  signal: z.string().nullable().describe("Signal that ended the command"),
  timedOut: z.boolean(),
  oomKilled: z.boolean().describe("The guest ran out of memory"),
  startError: z.string().nullable().describe("Why the command could not be started"),
  ...collectedOutputSchema.shape,
  durationMs: z.number().describe("From the request to the end of the command"),
  readyMs: z.number().describe("From the request until the machine could take the command"),
});

export const run = defineOperation({
  name: "run",
  summary: "Run one command in a fresh virtual machine, which is gone afterwards",
  effect: "write",
  input: z.object({
    environment: environmentName,
    command: z.array(z.string()).min(1).describe("Program and arguments, passed on unchanged"),
    vcpuCount,
    memMib,
    timeoutSeconds: z.number().positive().max(86_400).default(30).describe("Time limit for the command"),
    ttlSeconds: z.number().positive().max(86_400).default(600).describe("Time limit for the machine"),
    network: z.boolean().default(false).describe("Give the guest a way out to the internet"),
    allowHostCompat: z
      .boolean()
      .default(false)
      .describe("Run on this host, WITHOUT isolation, when no virtual machine can be had"),
  }),
  output: outputSchema,
  cli: {
    positionals: ["environment", "command"],
    examples: [
      "run debian:12 -- git --version",
      "run debian:12 --timeout-seconds 120 -- sh -c 'echo $HOSTNAME; nproc'",
      "run debian:12-build --vcpu-count 2 --mem-mib 2048 --json -- gcc --version",
    ],
    summarize,
    exitCode: (output) => output.exitCode,
  },
  async handle({ sandbox, signal, onProgress, liveStreams }, input) {
    if (input.network) refuseNetwork();
    const collected = new CollectedOutput();
    const { ending, ...outcome } = await runCommand(
      sandbox,
      {
        environment: input.environment,
        argv: input.command,
        shape: { vcpuCount: input.vcpuCount, memMib: input.memMib },
        timeoutMs: input.timeoutSeconds * 1000,
        ttlMs: input.ttlSeconds * 1000,
        allowHostCompat: input.allowHostCompat,
      },
      { signal, onProgress, ...(liveStreams ?? collected.streams) },
    );
    const { environment, command } = input;
    return { ...outcome, environment, command, ...exitStatus(ending), ...collected.result() };
  },
});

function summarize(output: z.output<typeof outputSchema>): readonly string[] {
  const { environment, executionMode, exitCode, durationMs, startError, hostCompatReason } = output;
  const facts = [
    `environment=${environment} execution_mode=${executionMode} exit_code=${exitCode} duration_ms=${Math.round(durationMs)}`,
    ...(output.signal === null ? [] : [`signal=${output.signal}`]),
    ...(output.timedOut ? ["timed_out=true"] : []),
    ...(output.oomKilled ? ["oom_killed=true"] : []),
  ];
  return [
    ...(hostCompatReason === null
      ? []
      : [`[warning] this ran on the host, isolated from nothing: ${hostCompatReason}`]),
    ...(startError === null ? [] : [`[error] ${startError}`]),
    `[run] ${facts.join(" ")}`,
  ];
}
