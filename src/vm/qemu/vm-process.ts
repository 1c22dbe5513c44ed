import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { endingOf, killGroup, spawnTied } from "../../host/process.ts";
import { confine, type FileOwner } from "../confinement.ts";
import type { VmExit, VmSpec } from "../driver.ts";
import type { DriverFeatures } from "../features.ts";
import { InheritedFiles } from "../inherited-files.ts";
import { qemuArgs } from "./args.ts";
import { QmpClient } from "./qmp.ts";

/**
 * Descriptors 0 to 2 are the standard ones, and from 6 on come files in the order of the arguments.
 */
const qmpFd = 3;
const agentFd = 4;
/**
 * A fork reads its device state from this stream. In a booted VM it is the folder with the socket
 * to which the VM writes that state.
 */
export const stateFd = 5;
const firstFileFd = 6;

/** Limit of the kept output of QEMU and the guest's console, for error messages */
const logTailBytes = 16 * 1024;
/** How long the end of the log may take to arrive once the process is gone */
const logDrainMs = 200;
/** Time that the process may outlive its connection */
const connectionLossGraceMs = 1_000;

export interface VmProcess {
  readonly pid: number;
  readonly qmp: QmpClient;
  readonly agentStream: Duplex;
  /** Stream for the device state of a fork */
  readonly stateStream: Duplex | undefined;
  /**
   * Folder that the VM can take layers from, by its number there, and the user who must own them
   */
  readonly layers: { readonly dirFd: number; readonly owner: FileOwner | undefined } | undefined;
  readonly exited: Promise<VmExit>;
  stop(): Promise<void>;
}

export interface StartRequest {
  readonly features: DriverFeatures;
  readonly uid: number;
  readonly spec: VmSpec;
  readonly start: "boot" | "fork";
  /** Folder with the socket to which a booted VM writes its device state */
  readonly stateDir: string | undefined;
}

/**
 * Starts QEMU on inherited descriptors only: it learns no path of ours, so neither it nor a crash
 * leaves files.
 */
export async function startVmProcess(request: StartRequest): Promise<VmProcess> {
  const { features, spec, start } = request;
  const { machine } = spec;
  const confinement = await confine(request.uid, machine.accelerator);
  const files = new InheritedFiles(confinement.owner, firstFileFd);
  const stateDirFd = request.stateDir === undefined ? undefined : openSync(request.stateDir, "r");
  try {
    const memoryAccess = start === "boot" ? "w+" : features.mapsReadOnlyMemory ? "r" : "r+";
    const memory = spec.memoryPath === null ? null : files.open(spec.memoryPath, memoryAccess);
    const kernel = files.open(machine.kernelPath, "r");
    const initramfs = files.open(machine.initramfsPath, "r");
    const layersDirFd = spec.layersDir === undefined ? undefined : files.openDir(spec.layersDir);
    const args = qemuArgs({
      name: spec.name,
      machine,
      start,
      fds: {
        qmp: qmpFd,
        agent: agentFd,
        memory,
        kernel,
        initramfs,
        rootLayers: files.openDisk(spec.rootDisk),
        workspaceLayers: files.openDisk(spec.workspaceDisk),
        addedDisks: (spec.addedDisks ?? []).map((disk) => ({ layers: files.openDisk(disk), durable: disk.durable })),
      },
      durable: { root: spec.rootDisk.durable, workspace: spec.workspaceDisk.durable },
      mapsReadOnlyMemory: features.mapsReadOnlyMemory,
    });
    const child = spawnTied([features.path, ...args], "KILL", {
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", stateDirFd ?? "pipe", ...files.fds],
      // QEMU needs nothing of the user's environment, and translated messages would only blur
      // errors.
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
      cwd: "/",
      privileges: confinement.setprivOptions,
    });
    const layers = layersDirFd === undefined ? undefined : { dirFd: layersDirFd, owner: confinement.owner };
    return { ...(await superviseVmProcess(child)), layers };
  } finally {
    files.close();
    if (stateDirFd !== undefined) closeSync(stateDirFd);
  }
}

async function superviseVmProcess(child: ChildProcess): Promise<Omit<VmProcess, "layers">> {
  const log = logTail(child);
  const exited = exitOf(child, log);
  const [qmp, agentStream, stateStream] = [qmpFd, agentFd, stateFd].map((fd) => child.stdio[fd] as Duplex | null);
  if (child.pid === undefined || !qmp || !agentStream) {
    await endingOf(child, "qemu");
    throw new PyroError("internal", "cannot start QEMU: the operating system gave it no process");
  }
  // A VM that dies resets its streams. Users of the streams learn it from `exited` and from their
  // reads.
  for (const stream of [agentStream, stateStream]) stream?.on("error", () => {});
  return {
    pid: child.pid,
    qmp: new QmpClient(qmp),
    agentStream,
    stateStream: stateStream ?? undefined,
    exited,
    async stop() {
      killGroup(child, "SIGKILL");
      await exited;
    },
  };
}

function exitOf(child: ChildProcess, log: () => string): Promise<VmExit> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ exitCode: null, signal: null, log: error.message }));
    child.once("exit", (exitCode, signal) => {
      const finish = () => resolve({ exitCode, signal, log: log() });
      if (signal === "SIGKILL") return finish();
      const timer = setTimeout(finish, logDrainMs);
      child.once("close", () => {
        clearTimeout(timer);
        finish();
      });
    });
  });
}

function logTail(child: ChildProcess): () => string {
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => {
      tail = (tail + chunk).slice(-logTailBytes);
    });
  }
  return () => tail;
}

/**
 * Awaits work of a VM. If the work fails or the VM ends first, the VM is gone, and the error has
 * the end of its log.
 */
export async function whileRunning<T>(vm: VmProcess, work: Promise<T>): Promise<T> {
  try {
    return await Promise.race([
      work,
      vm.exited.then((exit): never => {
        throw vmDied(exit);
      }),
    ]);
  } catch (error) {
    const failure = PyroError.from(error);
    // The connection can close just before the process ends, and then the process's end explains
    // more.
    if (failure.code === "unavailable") await Promise.race([vm.exited, delay(connectionLossGraceMs)]);
    await vm.stop();
    const exit = await vm.exited;
    if (failure.code === "unavailable" && exit.signal !== "SIGKILL") throw vmDied(exit);
    throw new PyroError(failure.code, failure.message, {
      hint: failure.advice,
      details: { log: exit.log },
      cause: error,
    });
  }
}

function vmDied({ exitCode, signal, log }: VmExit): PyroError {
  const how = signal === null ? `exit code ${exitCode}` : signal;
  const lastLine = log.trim().split("\n").at(-1) ?? "";
  return new PyroError("unavailable", `the virtual machine ended unexpectedly (${how}): ${lastLine}`, {
    hint: hint`${toRun("doctor")}.`,
    details: { log },
  });
}
