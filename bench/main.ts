/**
 * Measures what docs/performance.md states, all in one run: `make bench`. Nothing here judges;
 * ratios are to the cold boot, and those with a limit are shown with it.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { composeEngineContext } from "../src/compose.ts";
import { layoutFromEnvironment } from "../src/host/layout.ts";
import { coldBoot, environmentName, fork, forksAtOnce } from "./machines.ts";
import { liveNames, measureMcp } from "./mcp.ts";
import { measureNetwork, networkNames } from "./network.ts";
import { alternatives, runProgram, works } from "./programs.ts";
import { type Summary, summarize } from "./statistics.ts";
import { execNames, measureWorkspaces, transferNames } from "./workspaces.ts";

const coldRounds = 5;
const warmRounds = 15;
const forksTogether = 10;
const resultsPath = "bench-results.json";
const coldBootName = "cold boot to first exec (a QEMU boot per command)";
/** Limit for a command that writes, relative to one that does not */
const maxExecRatio = 1.5;
/** Limit for a guest's throughput, as a part of the channel's */
const minThroughput = 0.5;
/** Limit for a fork with a way out, relative to one without */
const maxEgressFork = 1.05;
/** Limit for a start of something that lives on, or a read of it, relative to a command */
const maxLive = 1.3;
/** Limits for the ratios of some figures to the cold boot */
const limits: Readonly<Record<string, number>> = { [transferNames.export]: 0.25, [transferNames.push]: 0.3 };

const { environmentsDir } = layoutFromEnvironment(process.env);
const cacheDir = await mkdtemp(join(tmpdir(), "pyro-bench-"));
const env = { ...process.env, PYRO_CACHE_DIR: cacheDir, PYRO_ENVIRONMENT_CACHE_DIR: environmentsDir };
const context = composeEngineContext(env);
const pyroRun: [string, ...string[]] = [
  process.execPath,
  fileURLToPath(new URL("../bin/pyro.js", import.meta.url)),
  ...["run", environmentName, "--", "true"],
];
const figures: Record<string, { unit: "ms" | "MB"; values: number[] }> = {};
const record = (name: string, unit: "ms" | "MB", value: number) => {
  figures[name] ??= { unit, values: [] };
  figures[name].values.push(value);
};

try {
  await runProgram(pyroRun, env);
  for (let round = 0; round < coldRounds; round++) await measureCold();
  await runProgram(pyroRun, env);
  const installed = [];
  for (const [name, command] of Object.entries(alternatives)) {
    if (await works(command)) installed.push([name, command] as const);
    else console.log(`not measured: ${name} does not run here`);
  }
  for (let round = 0; round < warmRounds; round++) {
    await measureWarm();
    // In turn with pyro, so that both see the same moods of the machine.
    for (const [name, command] of installed) record(name, "ms", await runProgram(command, process.env));
  }
  const stateDir = join(cacheDir, "state");
  await measureWorkspaces(env, stateDir, record, async () => {
    record(coldBootName, "ms", (await coldBoot(context)).toFirstExecMs);
  });
  await measureMcp(context, { ...env, PYRO_STATE_DIR: stateDir }, record);
  await measureNetwork(context, record);
  await report();
} finally {
  await rm(cacheDir, { recursive: true, force: true });
}

async function measureCold(): Promise<void> {
  const { toFirstExecMs, saveMs } = await coldBoot(context);
  record(coldBootName, "ms", toFirstExecMs);
  record("template save", "ms", saveMs);
  await rm(context.layout.templatesDir, { recursive: true });
  record("pyro run, no template yet", "ms", await runProgram(pyroRun, env));
}

async function measureWarm(): Promise<void> {
  const { toFirstExecMs, warmExecMs, idlePssMb } = await fork(context);
  record("fork to first exec", "ms", toFirstExecMs);
  record("warm exec round trip", "ms", warmExecMs);
  record("memory of an idle fork alone (PSS)", "MB", idlePssMb);
  const together = await forksAtOnce(context, forksTogether);
  record(`${forksTogether} forks at once, all to first exec`, "ms", together.allMs);
  record(`memory per fork, ${forksTogether} running (PSS)`, "MB", together.pssMb);
  record("pyro run, warm", "ms", await runProgram(pyroRun, env));
}

async function report(): Promise<void> {
  const results: Record<string, Summary & { unit: string; ratioToColdBoot: number | null; limit: number | null }> = {};
  const cold = summarize(figures[coldBootName]?.values ?? []).median;
  for (const [name, { unit, values }] of Object.entries(figures)) {
    const summary = summarize(values);
    const ratioToColdBoot = unit === "ms" ? summary.median / cold : null;
    results[name] = { unit, ...summary, ratioToColdBoot, limit: limits[name] ?? null };
  }
  console.log(`${"".padEnd(70)}${"median".padStart(10)}${"min".padStart(9)}${"max".padStart(9)}   to cold boot`);
  for (const [name, { unit, median, min, max, ratioToColdBoot, limit }] of Object.entries(results)) {
    const cells = [median, min, max].map((value, index) => value.toFixed(0).padStart(index === 0 ? 7 : 9));
    const ratio = `${ratioToColdBoot?.toFixed(3) ?? ""}${limit === null ? "" : ` (limit ${limit})`}`;
    console.log(`${name.padEnd(70)}${cells[0]} ${unit}${cells[1]}${cells[2]}   ${ratio}`);
  }
  const execRatio = (results[execNames.writes]?.median ?? 0) / (results[execNames.reads]?.median ?? 0);
  console.log(`\nA command that writes takes ${execRatio.toFixed(2)} times one that does not (limit ${maxExecRatio})`);
  const times = (name: string) => results[name]?.median ?? 0;
  const slowest = Math.max(times(networkNames.upload), times(networkNames.download));
  const throughput = times(networkNames.channel) / slowest;
  const egressFork = times(networkNames.egressFork) / times(networkNames.plainFork);
  console.log(`A guest's network has ${throughput.toFixed(2)} of the channel's throughput (limit ${minThroughput})`);
  console.log(`A fork with egress takes ${egressFork.toFixed(2)} times one without (limit ${maxEgressFork})`);
  for (const name of [liveNames.serviceStart, liveNames.shellOpen, liveNames.shellRead]) {
    const ratio = times(name) / times(liveNames.exec);
    console.log(`${name} takes ${ratio.toFixed(2)} times a workspace_exec (limit ${maxLive})`);
  }
  await writeFile(
    resultsPath,
    `${JSON.stringify({ measuredAt: new Date().toISOString(), node: process.version, results, execRatio }, null, 2)}\n`,
  );
  console.log(`\nWritten to ${resultsPath}`);
}
