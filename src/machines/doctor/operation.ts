import * as z from "zod";
import { sayAdvice, sayInLibrary } from "../../core/hint.ts";
import { supportedPlatform } from "../../host/system.ts";
import { environmentName } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { diagnose } from "./diagnose.ts";
import { readinessStates } from "./readiness.ts";

const output = z.object({
  platform: z.string(),
  runtimeOk: z.boolean().describe("Machines can run here"),
  vmm: z.object({ name: z.string(), version: z.string(), path: z.string() }).nullable(),
  kvm: z.object({ exists: z.boolean(), readable: z.boolean(), writable: z.boolean() }),
  accelerator: z
    .object({ name: z.string(), evidence: z.string() })
    .describe("What virtual machines run on, and the proof"),
  environmentCache: z.object({ path: z.string(), freeBytes: z.number() }),
  catalogVersion: z.string(),
  capabilities: z.object({ vmBoot: z.boolean(), guestExec: z.boolean(), guestNetwork: z.boolean() }),
  dailyLoop: z.object({
    status: z.enum(readinessStates),
    environment: z.string(),
    reason: z.string(),
  }),
  issues: z.array(z.object({ message: z.string(), hint: z.string().nullable() })),
});

export const doctor = defineOperation({
  name: "doctor",
  summary: "Check this host and say what to do where something is missing",
  effect: "read",
  input: z.object({
    platform: z.enum([supportedPlatform]).default(supportedPlatform).describe("Platform to check for"),
    environment: environmentName.default("debian:12").describe("Environment to check"),
  }),
  output,
  cli: {
    examples: ["doctor", "doctor --environment debian:12-build --json"],
    text: renderDoctor,
    exitCode: ({ runtimeOk }) => (runtimeOk ? 0 : 1),
  },
  async handle({ engine, signal, sayCall = sayInLibrary }, input) {
    const { cacheDir, cacheFreeBytes, readiness, issues, ...diagnosis } = await diagnose(engine, input, { signal });
    return {
      ...diagnosis,
      runtimeOk: issues.length === 0,
      environmentCache: { path: cacheDir, freeBytes: cacheFreeBytes },
      dailyLoop: { status: readiness.status, environment: input.environment, reason: readiness.reason },
      issues: issues.map(({ message, hint }) => ({ message, hint: hint && sayAdvice(hint, sayCall) })),
    };
  },
});

function renderDoctor(diagnosis: z.output<typeof output>): string {
  const { kvm, capabilities, dailyLoop, environmentCache, vmm, accelerator } = diagnosis;
  const lines = [
    `Platform: ${diagnosis.platform}`,
    `Runtime: ${diagnosis.runtimeOk ? "PASS" : "FAIL"}`,
    `VMM: ${vmm ? `${vmm.name} ${vmm.version} (${vmm.path})` : "none"}`,
    `KVM: exists=${yesNo(kvm.exists)} readable=${yesNo(kvm.readable)} writable=${yesNo(kvm.writable)}`,
    `Accelerator: ${accelerator.name} (${accelerator.evidence})`,
    `Environment cache: ${environmentCache.path} (${(environmentCache.freeBytes / 1e9).toFixed(1)} GB free)`,
    `Catalog version: ${diagnosis.catalogVersion}`,
    `Capabilities: vm_boot=${yesNo(capabilities.vmBoot)} guest_exec=${yesNo(capabilities.guestExec)} guest_network=${yesNo(capabilities.guestNetwork)}`,
    `Daily loop: ${dailyLoop.status.toUpperCase()} (${dailyLoop.environment}): ${dailyLoop.reason}`,
    ...(dailyLoop.status === "warm" || !diagnosis.runtimeOk ? [] : [`Run: pyro prepare ${dailyLoop.environment}`]),
  ];
  if (diagnosis.issues.length > 0) {
    lines.push("Issues:", ...diagnosis.issues.map(({ message, hint }) => `- ${message}${hint ? ` (${hint})` : ""}`));
  }
  return `${lines.join("\n")}\n`;
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}
