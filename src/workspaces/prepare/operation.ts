import * as z from "zod";
import { prepareManifestSchema } from "../../machines/doctor/readiness.ts";
import { environmentName } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { prepareEnvironment } from "./prepare.ts";

export const prepare = defineOperation({
  name: "prepare",
  summary: "Make the machine warm: install an environment, freeze a template, and prove a workspace",
  effect: "write",
  input: z.object({
    environment: environmentName.default("debian:12").describe("Environment to prepare"),
    network: z.boolean().default(false).describe("Also prove that guests reach what they may, and nothing else"),
    force: z.boolean().default(false).describe("Rebuild and prove again even when it is warm"),
  }),
  output: z.object({
    ...prepareManifestSchema.shape,
    prepared: z.boolean(),
    reused: z.boolean().describe("An earlier preparation was good enough"),
    executed: z.boolean().describe("The proof ran now"),
    forced: z.boolean(),
    networkRequested: z.boolean(),
  }),
  cli: {
    positionals: ["environment"],
    examples: ["prepare", "prepare --network", "prepare debian:12-build", "prepare debian:12 --force --json"],
    text: (output) =>
      output.reused
        ? `[prepare] environment=${output.environment} reused=true network_prepared=${output.networkPrepared} prepared_at=${output.preparedAt}\n`
        : `[prepare] environment=${output.environment} prepared=true network_prepared=${output.networkPrepared} duration_ms=${output.lastPrepareDurationMs}\n`,
  },
  async handle({ engine, signal, onProgress }, { environment, network, force }) {
    const { manifest, reused } = await prepareEnvironment(
      engine,
      { environment, force, network },
      { signal, onProgress },
    );
    return { ...manifest, reused, prepared: true, executed: !reused, forced: force, networkRequested: network };
  },
});
