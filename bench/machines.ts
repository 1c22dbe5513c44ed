import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ExecEnding } from "../src/guest/messages.ts";
import { knownAccelerator } from "../src/machines/accelerator.ts";
import { bootGuest } from "../src/machines/boot.ts";
import type { EngineContext } from "../src/machines/context.ts";
import { ensureEnvironment } from "../src/machines/ensure-environment.ts";
import type { Machine } from "../src/machines/machine.ts";
import { openOneOff } from "../src/machines/one-off/open.ts";
import { defaultShape } from "../src/machines/shape.ts";
import { layOutMachine } from "../src/machines/templates/builder.ts";
import { findVmTools } from "../src/machines/vm-tools.ts";
import { timeMs } from "./statistics.ts";

export const environmentName = "debian:12";
const spec = { argv: ["/bin/true"], timeoutMs: 60_000, stdin: false };
export const ignoreOutput = { onStdout() {}, onStderr() {} };

async function execTrue(machine: { exec: Machine["exec"] }): Promise<ExecEnding> {
  const ending = await machine.exec(spec, ignoreOutput);
  if (ending.exitCode !== 0) throw new Error(`true failed in the guest: ${JSON.stringify(ending)}`);
  return ending;
}

export interface ColdBoot {
  /** From the start of QEMU to the end of a first command */
  readonly toFirstExecMs: number;
  /**
   * Pausing the machine and writing what a fork needs, without the memory, which is a file already
   */
  readonly saveMs: number;
}

/** The same machine that templates are made of, booted from nothing. */
export async function coldBoot(context: EngineContext): Promise<ColdBoot> {
  const { driver, disks } = await findVmTools(context);
  const environment = await ensureEnvironment(context, environmentName, {});
  const dir = await mkdtemp(join(context.layout.templatesDir, "bench-"));
  try {
    const decision = await knownAccelerator(context, driver.features);
    const accelerator = decision?.accelerator ?? "tcg";
    const { agentPath } = context.layout;
    const machine = await layOutMachine({ disks, environment, agentPath, shape: defaultShape, accelerator }, dir);
    const startedMs = performance.now();
    await using guest = await bootGuest(driver, machine, { timeoutMs: 120_000 });
    await execTrue(guest.agent);
    const toFirstExecMs = performance.now() - startedMs;
    await guest.agent.freeze();
    const saveMs = await timeMs(() => guest.vm.freeze(join(dir, "device-state")));
    return { toFirstExecMs, saveMs };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

export interface Fork {
  readonly toFirstExecMs: number;
  readonly warmExecMs: number;
  /** Memory that is this machine's alone, plus its share of what it has in common with others */
  readonly idlePssMb: number;
}

export async function fork(context: EngineContext): Promise<Fork> {
  const startedMs = performance.now();
  await using machine = await open(context);
  await execTrue(machine);
  const toFirstExecMs = performance.now() - startedMs;
  await execTrue(machine);
  const warmExecMs = await timeMs(() => execTrue(machine));
  return { toFirstExecMs, warmExecMs, idlePssMb: await idlePssMb(context) };
}

/** Of a fork of its own: looking takes time, and a command more memory. */
async function idlePssMb(context: EngineContext): Promise<number> {
  await using machine = await open(context);
  return await pssMb(machine.vm.pid);
}

/** Time until all of them have run a command, and the memory of one among them. */
export async function forksAtOnce(context: EngineContext, count: number): Promise<{ allMs: number; pssMb: number }> {
  const startedMs = performance.now();
  const opened = await Promise.allSettled(Array.from({ length: count }, () => open(context)));
  const machines = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  try {
    if (machines.length < count) throw new Error(`only ${machines.length} of ${count} forks came up`);
    await Promise.all(machines.map(execTrue));
    const allMs = performance.now() - startedMs;
    const each = await Promise.all(machines.map(({ vm }) => pssMb(vm.pid)));
    return { allMs, pssMb: each.reduce((sum, mb) => sum + mb, 0) / count };
  } finally {
    await Promise.all(machines.map((machine) => machine.close()));
  }
}

export function open(context: EngineContext): Promise<Machine> {
  return openOneOff(context, { environment: environmentName, shape: defaultShape }, {});
}

export async function pssMb(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) / 1000;
}
