import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { PyroError } from "../core/errors.ts";
import type { BootableEnvironment } from "../environments/store.ts";
import type { Disk, Driver, Vm, VmExit, VmSpec } from "../vmm/driver.ts";
import { AgentClient } from "../wire/agent.ts";
import type { ExecOptions } from "../wire/exec.ts";
import type { ExecEnding, ExecSpec, GuestInfo } from "../wire/messages.ts";
import { newIdentity } from "./identity.ts";
import { machineSpec } from "./machine.ts";
import { copyToScratch, openScratch } from "./scratch.ts";
import type { Template } from "./template-store.ts";

const clockToleranceMs = 200;
/** A lost connection is seen just before the end of the process that held it */
const machineEndMs = 1_000;
const consoleLines = 20;

/** What separates a command from the host, as every result says it. */
export interface Isolation {
  readonly vmm: string;
  readonly accelerator: string;
}

/** A running fork of a template with an identity of its own. */
export interface Sandbox extends AsyncDisposable {
  /** 12 hexadecimal digits */
  readonly id: string;
  readonly vm: Vm;
  readonly isolation: Isolation;
  readonly environmentVersion: string;
  /** The template that it was forked from */
  readonly templateKey: string;
  info(): Promise<GuestInfo>;
  exec(spec: ExecSpec, options: ExecOptions): Promise<ExecEnding>;
  close(): Promise<void>;
}

export interface ForkOptions {
  readonly driver: Driver;
  readonly template: Template;
  readonly environment: BootableEnvironment;
  readonly scratchDir: string;
  readonly signal?: AbortSignal | undefined;
}

/** Continues a template as a new machine: nothing in it is shared with its siblings but what none of them can write. */
export async function forkSandbox(options: ForkOptions): Promise<Sandbox> {
  const { driver, template, signal } = options;
  const id = randomBytes(6).toString("hex");
  const spec = await forkSpec(id, options);
  const vm = await startFork(driver, spec, template, signal);
  const agent = new AgentClient(vm.agentStream);
  const close = async () => {
    agent.close();
    await vm.stop();
  };
  try {
    const { timeUnixMs } = await agent.fork(newIdentity(`pyro-${id}`), signal);
    // On a busy host the time was old when the guest set it.
    if (Math.abs(Date.now() - timeUnixMs) > clockToleranceMs) await agent.setClock(signal);
    return {
      ...{ id, vm, close },
      environmentVersion: options.environment.version,
      templateKey: template.record.key,
      isolation: { vmm: driver.features.vmm, accelerator: template.record.accelerator },
      info: () => agent.info({ signal }),
      exec: (execSpec, execOptions) => execIn(vm, agent, execSpec, execOptions),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function forkSpec(id: string, options: ForkOptions): Promise<VmSpec> {
  const { template, environment, scratchDir } = options;
  const { vcpuCount, memMib, accelerator } = template.record;
  await openScratch(scratchDir);
  const [rootTop, workspaceTop] = await Promise.all([
    copyToScratch(scratchDir, template.pathOf("emptyRootLayer"), `${id}-root`),
    copyToScratch(scratchDir, template.pathOf("emptyWorkspaceLayer"), `${id}-workspace`),
  ]);
  const rootLayers: Disk["layers"] = [
    { path: environment.rootImagePath, format: "raw" },
    { path: template.pathOf("rootLayer"), format: "qcow2" },
    { path: rootTop, format: "qcow2" },
  ];
  return {
    name: `${environment.name} ${id}`,
    machine: machineSpec({
      ...{ shape: { vcpuCount, memMib }, accelerator },
      kernelPath: template.pathOf("kernelHead"),
      initramfsPath: template.pathOf("initramfsHead"),
    }),
    memoryPath: template.pathOf("memory"),
    rootDisk: { layers: rootLayers, disposable: true, durable: false },
    workspaceDisk: { layers: [{ path: workspaceTop, format: "qcow2" }], disposable: true, durable: false },
  };
}

async function startFork(
  driver: Driver,
  spec: VmSpec,
  template: Template,
  signal: AbortSignal | undefined,
): Promise<Vm> {
  try {
    return await driver.fork(spec, template.pathOf("state"), signal);
  } finally {
    // The VM's process has unlinked them by now, unless it could not be started.
    await removeScratch(spec);
  }
}

/** Runs a command; when the machine itself ends meanwhile, its last words are the error. */
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

function machineEnded({ log, exitCode, signal }: VmExit, cause: unknown): PyroError {
  const lines = log.split("\n").filter((line) => line.trim() !== "" && !line.includes("warning: hub 0"));
  const how = signal ?? `exit code ${exitCode}`;
  const lastWords = lines.length === 0 ? "" : `: ${lines.at(-1)?.trim()}`;
  return new PyroError("outcome_unknown", `the machine ended (${how}) while the command ran${lastWords}`, {
    hint: "The command may have switched it off, crashed it, or filled this host's disk or memory.",
    details: { console: lines.slice(-consoleLines) },
    cause,
  });
}

async function removeScratch({ rootDisk, workspaceDisk }: VmSpec): Promise<void> {
  await Promise.all([rootDisk, workspaceDisk].map(({ layers }) => rm(layers.at(-1)?.path ?? "", { force: true })));
}
