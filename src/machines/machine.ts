import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { PyroError } from "../core/errors.ts";
import { workspacePath } from "../core/workspace-path.ts";
import { AgentClient } from "../guest/agent.ts";
import type { ExecOptions } from "../guest/exec.ts";
import type { ExecEnding, ExecSpec, ForkRequest, GuestInfo } from "../guest/messages.ts";
import { writeInitramfs } from "../images/initramfs.ts";
import type { BootableEnvironment } from "../images/store.ts";
import type { Accelerator, Disk, Driver, Vm, VmExit } from "../vm/driver.ts";
import type { DriverFeatures } from "../vm/features.ts";
import { bootGuest } from "./boot.ts";
import { newIdentity } from "./identity.ts";
import { openScratch, removeScratch } from "./scratch.ts";
import { type MachineShape, machineSpec } from "./shape.ts";
import type { Template } from "./templates/store.ts";

const clockToleranceMs = 200;
/** How much later than its connection the process of a machine is seen to end */
const machineEndMs = 1_000;
const consoleLines = 20;

/** The second disk in the guest's terms */
const workspaceMount = { device: "/dev/vdb", mountPoint: workspacePath };

/** The boundary between a command and the host, as every result tells it. */
export interface Isolation {
  readonly vmm: string;
  readonly accelerator: Accelerator;
}

/** A running machine with its own identity. */
export interface Machine extends AsyncDisposable {
  readonly vm: Vm;
  readonly agent: AgentClient;
  /** Features of its driver */
  readonly features: DriverFeatures;
  readonly isolation: Isolation;
  info(): Promise<GuestInfo>;
  exec(spec: ExecSpec, options: ExecOptions): Promise<ExecEnding>;
  close(): Promise<void>;
}

/** The files behind a machine's disks. */
export interface MachineDisks {
  readonly rootDisk: Disk;
  readonly workspaceDisk: Disk;
  /** Disks that its template does not have */
  readonly addedDisks?: readonly Disk[];
  /** Folder of the layers that the workspace disk can take while the machine runs */
  readonly layersDir?: string;
}

interface MachineOptions {
  /** 12 hexadecimal digits, for the machine's name */
  readonly id: string;
  readonly driver: Driver;
  readonly environment: BootableEnvironment;
  readonly disks: MachineDisks;
  /** What of the workspace disk is `/workspace`; undefined if it holds no workspace */
  readonly workspace?: "as-it-is" | "baseline" | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ForkOptions extends MachineOptions {
  readonly template: Template;
}

/** Continues a template as a new machine. Its siblings share only what none of them can write. */
export async function forkMachine(options: ForkOptions): Promise<Machine> {
  const { driver, template, disks, signal } = options;
  const { vcpuCount, memMib, accelerator } = template.record;
  const spec = {
    ...disks,
    name: machineName(options),
    machine: machineSpec({
      shape: { vcpuCount, memMib },
      accelerator,
      kernelPath: template.pathOf("kernelHead"),
      initramfsPath: template.pathOf("initramfsHead"),
    }),
    memoryPath: template.pathOf("memory"),
  };
  const vm = await driver.fork(spec, template.pathOf("state"), signal);
  return identify(options, { vm, agent: new AgentClient(vm.agentStream), accelerator });
}

export interface BootOptions extends MachineOptions {
  readonly shape: MachineShape;
  readonly accelerator: Accelerator;
  readonly agentPath: string;
  readonly scratchDir: string;
  readonly timeoutMs: number;
}

/** Boots a machine on disks that another machine has used, which no template's memory fits. */
export async function bootMachine(options: BootOptions): Promise<Machine> {
  const { id, driver, environment, disks, shape, accelerator, agentPath, scratchDir, signal } = options;
  await openScratch(scratchDir);
  const initramfsPath = join(scratchDir, `${id}-initramfs`);
  try {
    await writeInitramfs({ path: initramfsPath, agentPath, modulesPath: environment.modulesPath });
    const machine = machineSpec({ shape, accelerator, kernelPath: environment.kernelPath, initramfsPath });
    const spec = { ...disks, name: machineName(options), machine, memoryPath: null };
    const { vm, agent } = await bootGuest(driver, spec, { timeoutMs: options.timeoutMs, signal });
    return await identify(options, { vm, agent, accelerator });
  } finally {
    await removeScratch(initramfsPath);
  }
}

function machineName({ environment, id }: MachineOptions): string {
  return `${environment.name} ${id}`;
}

interface RunningMachine {
  readonly vm: Vm;
  readonly agent: AgentClient;
  readonly accelerator: Accelerator;
}

/** Gives the machine its own identity before any user code runs. A failure ends the machine. */
async function identify(options: MachineOptions, { vm, agent, accelerator }: RunningMachine): Promise<Machine> {
  const { id, driver, workspace, signal } = options;
  const close = async () => {
    agent.close();
    await vm.stop();
  };
  try {
    const identity: ForkRequest = newIdentity(`pyro-${id}`);
    const mount = { ...workspaceMount, discardChanges: workspace === "baseline" };
    const request = workspace ? { ...identity, workspace: mount } : identity;
    const { timeUnixMs } = await agent.fork(request, signal);
    // On a busy host the request arrives late, and its time is old by then.
    if (Math.abs(Date.now() - timeUnixMs) > clockToleranceMs) await agent.setClock(signal);
    return {
      vm,
      agent,
      close,
      features: driver.features,
      isolation: { vmm: driver.features.vmm, accelerator },
      info: () => agent.info({ signal }),
      exec: (execSpec, execOptions) => execIn(vm, agent, execSpec, execOptions),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs a command. If the machine itself ends first, the error has the end of its log. */
async function execIn(vm: Vm, agent: AgentClient, spec: ExecSpec, options: ExecOptions): Promise<ExecEnding> {
  try {
    return await agent.exec(spec, options);
  } catch (error) {
    if (PyroError.from(error).code !== "outcome_unknown") throw error;
    const exit = await Promise.race([vm.exited, setTimeout(machineEndMs, undefined, { ref: false })]);
    if (exit) throw machineEnded(exit, error);
    throw error;
  }
}

function machineEnded(exit: VmExit, cause: unknown): PyroError {
  const { how, lines } = lastWords(exit);
  const said = lines.length === 0 ? "" : `: ${lines.at(-1)?.trim()}`;
  return new PyroError("outcome_unknown", `the machine ended (${how}) while the command ran${said}`, {
    hint: "The command may have switched it off, crashed it, or filled this host's disk or memory.",
    details: { console: lines.slice(-consoleLines) },
    cause,
  });
}

/** Whether every machine says this line, also one without a problem. */
function isRoutine(line: string): boolean {
  return line.includes("warning: hub 0") || /^pyro-agent: (?:ready|version)/.test(line);
}

/** How a machine ended, and the lines that it said before. */
export function lastWords({ log, exitCode, signal }: VmExit): { readonly how: string; readonly lines: string[] } {
  const lines = log.split("\n").filter((line) => line.trim() !== "" && !isRoutine(line));
  return { how: signal ?? `exit code ${exitCode}`, lines };
}
