import * as z from "zod";
import { sweepTemplates } from "../machines/templates/sweep.ts";
import { environmentName } from "../operations/fields.ts";
import { defineOperation } from "../operations/operation.ts";
import { pruneSeeds } from "../seeds/store.ts";
import { environmentFilesInUse } from "../workspaces/life/environment-use.ts";
import { catalogVersion } from "./catalog.ts";
import { type EnvironmentDescription, inspectEnvironment, listEnvironments } from "./describe.ts";
import { pruneEnvironments } from "./prune.ts";
import { pullEnvironment } from "./pull.ts";

const environmentSummary = z.object({
  name: z.string(),
  version: z.string().nullable().describe("Version of the catalog's entry"),
  description: z.string().nullable(),
  state: z.enum(["not-installed", "installed", "outdated", "damaged", "obsolete"]),
  installed: z.boolean(),
  problem: z.string().nullable().describe("What is wrong with it"),
});

const environmentDetails = environmentSummary.extend({
  defaultPackages: z.array(z.string()),
  compatibility: z.string().nullable().describe("Versions of pyro that can use it"),
  installDir: z.string(),
  source: z.object({ kind: z.string(), suite: z.string(), mirror: z.string().nullable() }).nullable(),
  kernelVersion: z.string().nullable(),
  kernelImage: z.string().nullable(),
  rootImage: z.string().nullable(),
  rootImageBytes: z.number().nullable(),
  digest: z.string().nullable(),
  builtAt: z.string().nullable(),
  packages: z.array(z.object({ name: z.string(), version: z.string() })).describe("Every package in the root image"),
});

export const envList = defineOperation({
  name: "env.list",
  summary: "List the environments that can be run",
  effect: "read",
  input: z.object({}),
  output: z.object({ catalogVersion: z.string(), environments: z.array(environmentSummary) }),
  cli: {
    examples: ["env list", "env list --json"],
    text: ({ environments }) => environments.map(renderRow).join(""),
  },
  mcp: { name: "vm_list_environments" },
  async handle({ engine }) {
    const environments = await listEnvironments(engine.layout);
    return { catalogVersion, environments: environments.map(summarize) };
  },
});

export const envPull = defineOperation({
  name: "env.pull",
  summary: "Install an environment, or repair a damaged one",
  effect: "write",
  input: z.object({ environment: environmentName }),
  output: environmentDetails.omit({ packages: true }),
  cli: {
    positionals: ["environment"],
    examples: ["env pull debian:12", "env pull debian:12-build --json"],
    text: ({ name, version, digest }) =>
      `[pull] phase=installed environment=${name} version=${version} digest=${digest}\n`,
  },
  async handle({ engine, signal, onProgress }, { environment }) {
    await pullEnvironment(engine, environment, { signal, onProgress });
    return detail(await inspectEnvironment(engine.layout, environment));
  },
});

export const envInspect = defineOperation({
  name: "env.inspect",
  summary: "Show everything about one environment",
  effect: "read",
  input: z.object({ environment: environmentName }),
  output: environmentDetails,
  cli: {
    positionals: ["environment"],
    examples: ["env inspect debian:12", "env inspect debian:12 --json"],
    text: ({ packages, defaultPackages, ...rest }) =>
      [
        ...Object.entries(rest).map(([name, value]) => `${name}: ${renderValue(value)}`),
        `default packages: ${defaultPackages.join(" ")}`,
        `packages: ${packages.length} (--json lists them)`,
        "",
      ].join("\n"),
  },
  async handle({ engine }, { environment }) {
    return detail(await inspectEnvironment(engine.layout, environment));
  },
});

export const envPrune = defineOperation({
  name: "env.prune",
  summary:
    "Remove environments that neither the catalog nor a workspace wants, templates that nothing can use, and old seeds",
  effect: "destroy",
  input: z.object({}),
  output: z.object({
    removedEnvironments: z.array(z.string()),
    removedTemplates: z.array(z.string()),
    removedSeeds: z.array(z.string()).describe("The least recently used, of those that exceed their budget"),
    busy: z.array(z.string()).describe("Left alone, because a pull of them is going on"),
    freedBytes: z.number(),
  }),
  cli: {
    examples: ["env prune", "env prune --json"],
    text: ({ removedEnvironments, removedTemplates, removedSeeds, freedBytes }) =>
      `[prune] environments=${removedEnvironments.length} templates=${removedTemplates.length} seeds=${removedSeeds.length} freed_bytes=${freedBytes}\n`,
  },
  async handle({ engine, signal }) {
    const pruned = await pruneEnvironments(engine, { signal, usedPaths: await environmentFilesInUse(engine) });
    const templates = await sweepTemplates(engine);
    const seeds = await pruneSeeds(engine.layout.seedsDir, engine.seedBudgetBytes);
    return {
      removedEnvironments: [...pruned.environments],
      removedTemplates: templates.map(({ key }) => key),
      removedSeeds: seeds.map(({ digest }) => digest),
      busy: [...pruned.busy],
      freedBytes:
        pruned.freedBytes + [...templates, ...seeds].reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
    };
  },
});

function summarize({
  name,
  state,
  problem,
  entry,
  record,
}: EnvironmentDescription): z.output<typeof environmentSummary> {
  return {
    name,
    state,
    problem,
    version: entry?.version ?? record?.version ?? null,
    description: entry?.description ?? null,
    installed: state === "installed",
  };
}

function detail(description: EnvironmentDescription): z.output<typeof environmentDetails> {
  const { entry, record, files, installDir } = description;
  return {
    ...summarize(description),
    defaultPackages: [...(entry?.packages ?? [])],
    compatibility: entry?.compatibility ?? null,
    installDir,
    source: record?.source ?? null,
    kernelVersion: record?.kernel.version ?? null,
    kernelImage: files?.kernelPath ?? null,
    rootImage: files?.rootImagePath ?? null,
    rootImageBytes: record?.rootImage.sizeBytes ?? null,
    digest: record?.digest ?? null,
    builtAt: record?.builtAt ?? null,
    packages: record?.packages ?? [],
  };
}

function renderRow({ name, version, state, description, problem }: z.output<typeof environmentSummary>): string {
  return `${name.padEnd(18)} ${state.padEnd(14)} ${(version ?? "-").padEnd(8)} ${problem ?? description ?? ""}\n`;
}

function renderValue(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
