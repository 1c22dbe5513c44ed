import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { CollectedOutput, collectedOutputSchema } from "../../operations/collected-output.ts";
import { executionMode, isolation } from "../../operations/fields.ts";

import { egressRules } from "../../operations/network.ts";
import { defineOperation } from "../../operations/operation.ts";
import { exitStatus } from "../exit-status.ts";
import { attachEgress, openEgress } from "../guest/network.ts";
import { defaultShape } from "../shape.ts";
import { openOneOff } from "./open.ts";

const demoEnvironment = "debian:12";
const demoCommand = ["git", "--version"];
const demoTimeoutMs = 30_000;

export const demo = defineOperation({
  name: "demo",
  summary: "Create a machine, run one command in it and delete it, end to end",
  effect: "write",
  input: z.object({
    network: z.boolean().default(false).describe("Give the guest a way out to the internet"),
  }),
  output: z.object({
    environment: z.string(),
    command: z.array(z.string()),
    executionMode,
    isolation,
    exitCode: z.number(),
    ...collectedOutputSchema.pick({ stdout: true, stderr: true }).shape,
    hostname: z.string().describe("The guest's own name"),
    kernel: z.string().describe("The guest's own kernel"),
    durationMs: z.number(),
    cleanup: z.object({ deleted: z.boolean(), vmId: z.string() }),
  }),
  cli: { examples: ["demo", "demo --network"], jsonOnly: true, exitCode: ({ exitCode }) => exitCode },
  async handle({ engine: context, signal, onProgress }, { network }) {
    const startedMs = performance.now();
    const request = { environment: demoEnvironment, shape: defaultShape };
    const egress = await openEgress(context, egressRules(network, {}, undefined));
    const machine = await openOneOff(context, request, { signal, onProgress });
    const way = attachEgress(machine.agent, egress);
    const collected = new CollectedOutput();
    const spec = { argv: demoCommand, timeoutMs: demoTimeoutMs, stdin: false };
    const work = Promise.all([machine.info(), machine.exec(spec, { signal, ...collected.streams })]);
    const [{ hostname, kernel }, ending] = await work.finally(() => machine.close());
    await way[Symbol.asyncDispose]();
    await egress.close();
    if (ending.error) throw new PyroError("internal", `the demo's command could not start: ${ending.error.message}`);
    const { stdout, stderr } = collected.result();
    return {
      environment: demoEnvironment,
      command: demoCommand,
      executionMode: "guest" as const,
      isolation: machine.isolation,
      exitCode: exitStatus(ending).exitCode,
      stdout,
      stderr,
      hostname,
      kernel,
      durationMs: performance.now() - startedMs,
      // The process is looked for, because `close` promises that it is gone.
      cleanup: { deleted: !isRunning(machine.vm.pid), vmId: machine.id },
    };
  },
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // There is no such process.
    return false;
  }
}
