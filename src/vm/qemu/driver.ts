import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as z from "zod";
import { withDeadline } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { capture } from "../../host/process.ts";
import type {
  BootedVm,
  DiskLayer,
  Driver,
  DriverFeatures,
  Extent,
  MachineSpec,
  Vm,
  VmExit,
  VmSpec,
} from "../driver.ts";
import { inherited, qemuArgs } from "./args.ts";
import { confine } from "./confinement.ts";
import { InheritedFiles } from "./inherited-files.ts";
import type { QemuInstallation } from "./installation.ts";
import { LiveLayers } from "./live-layers.ts";
import { receiveState } from "./state-receiver.ts";
import { startVmProcess, stateFd, type VmProcess } from "./vm-process.ts";

const ignoreSharedMemory = { capability: "x-ignore-shared", state: true };
const reportProgress = { capability: "events", state: true };
/** Freezing and forking move well under a megabyte; a loaded host may still take its time. */
const stateTransferTimeoutMs = 30_000;
/** What `qemu-img map --output=json` prints: an array of extents */
const imageMapSchema = z.array(z.object({ start: z.number(), length: z.number(), data: z.boolean() }));
const imageToolTimeoutMs = 30_000;
/** Copies what was written to a layer: at most a disk's worth */
const mergeTimeoutMs = 2 * 60_000;
/** The first descriptor that a tool inherits beside the standard ones */
const firstToolFd = 3;
const connectionLossGraceMs = 1_000;

export class QemuDriver implements Driver {
  readonly features: DriverFeatures;
  readonly #installation: QemuInstallation;
  readonly #uid: number;

  constructor(installation: QemuInstallation, uid: number) {
    this.#installation = installation;
    this.#uid = uid;
    this.features = {
      vmm: "qemu",
      version: installation.version,
      path: installation.path,
      fingerprint: `${installation.path} ${installation.version} ${installation.stamp.inode}:${installation.stamp.mtimeNs}`,
      mapsReadOnlyMemory: installation.mapsReadOnlyMemory,
    };
  }

  describeMachine(machine: MachineSpec): string {
    return machineFingerprint(machine);
  }

  async boot(spec: VmSpec, signal?: AbortSignal): Promise<BootedVm> {
    signal?.throwIfAborted();
    const handoverDir = spec.memoryPath === null ? undefined : await makeHandoverDir(dirname(spec.memoryPath));
    const vm = await this.#start(spec, "boot", handoverDir);
    await runs(vm, vm.qmp.execute("qmp_capabilities"));
    return {
      ...toVm(vm, spec),
      async freeze(statePath, freezeSignal) {
        if (handoverDir === undefined) throw new PyroError("internal", "this machine has no memory file to freeze");
        await freeze({ vm, handoverDir, statePath, signal: freezeSignal });
      },
    };
  }

  async fork(spec: VmSpec, statePath: string, signal?: AbortSignal): Promise<Vm> {
    signal?.throwIfAborted();
    const state = await readFile(statePath);
    const vm = await this.#start(spec, "fork");
    vm.stateStream?.end(state);
    const { qmp } = vm;
    const loaded = qmp.migrationEnd();
    const negotiated = qmp.execute("qmp_capabilities");
    const commands = Promise.all([
      loaded,
      negotiated,
      qmp.execute("migrate-set-capabilities", { capabilities: [ignoreSharedMemory, reportProgress] }),
      qmp.execute("migrate-incoming", { uri: `fd:${stateFd}` }),
    ]);
    await runs(vm, transferred(commands, "the frozen state to load", signal)).catch(async (error: unknown) => {
      throw await explainLoadFailure(error, negotiated, vm);
    });
    await runs(vm, qmp.execute("cont"));
    return toVm(vm, spec);
  }

  async dataExtents(path: string, signal?: AbortSignal): Promise<readonly Extent[]> {
    const command = [this.#installation.imageToolPath, "map", "--output=json", "-f", "raw", path] as const;
    const { exitCode, stdout, stderr } = await capture([...command], { timeoutMs: imageToolTimeoutMs, signal });
    if (exitCode !== 0) throw new PyroError("internal", `cannot map '${path}': ${stderr.trim()}`);
    return imageMapSchema.parse(JSON.parse(stdout)).filter(({ data }) => data);
  }

  async mergeTopLayer(layers: readonly DiskLayer[]): Promise<void> {
    // What a virtual machine wrote can say anything, so whoever reads it has no more rights than the machine.
    const { owner, setprivOptions } = await confine(this.#uid, "tcg");
    const files = new InheritedFiles(owner, firstToolFd);
    try {
      // Layers do not name the ones below them, so all are spelled out: what is copied is whole clusters, with what shines through from below.
      const chain = layers.reduce<object | undefined>((backing, { path, format }, index) => {
        const fd = files.open(path, index < layers.length - 2 ? "r" : "r+");
        const file = { driver: "file", filename: inherited(fd), locking: "off" };
        return { driver: format, file, ...(backing ? { backing } : {}) };
      }, undefined);
      const command = [
        this.#installation.imageToolPath,
        "commit",
        "-q",
        "-d",
        `json:${JSON.stringify(chain)}`,
      ] as const;
      const options = { timeoutMs: mergeTimeoutMs, extraFds: files.fds, privileges: setprivOptions };
      const { exitCode, stderr } = await capture([...command], options);
      if (exitCode !== 0) throw new PyroError("internal", `cannot merge '${layers.at(-1)?.path}': ${stderr.trim()}`);
    } finally {
      files.close();
    }
  }

  async createOverlay(path: string, sizeBytes: number, base?: DiskLayer): Promise<void> {
    const backing = base ? ["-b", base.path, "-F", base.format] : [];
    // A cluster has 32 subclusters, so a small write copies 4 KiB from the base instead of 128.
    const format = ["-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k"];
    const { exitCode, stderr } = await capture(
      [this.#installation.imageToolPath, "create", "-q", ...format, ...backing, path, String(sizeBytes)],
      { timeoutMs: imageToolTimeoutMs },
    );
    if (exitCode !== 0) throw new PyroError("internal", `cannot create disk '${path}': ${stderr.trim()}`);
  }

  async #start(spec: VmSpec, start: "boot" | "fork", stateDir?: string): Promise<VmProcess> {
    return startVmProcess({
      features: this.features,
      uid: this.#uid,
      spec,
      start,
      ...(stateDir === undefined ? {} : { stateDir }),
    });
  }
}

/** The command line of a machine with its paths in it and stand-ins for everything that may differ between forks. */
function machineFingerprint(machine: MachineSpec): string {
  const fds = { qmp: 0, agent: 0, memory: 0, kernel: 0, initramfs: 0, rootLayers: [], workspaceLayers: [] };
  const args = qemuArgs({
    ...{ name: "", machine, fds, start: "boot", mapsReadOnlyMemory: false },
    durable: { root: false, workspace: false },
  });
  return [...args, machine.kernelPath, machine.initramfsPath].join(" ");
}

/** A QEMU that had started well and then could not load the state says that the state is no good, unless somebody killed it. */
async function explainLoadFailure(error: unknown, negotiated: Promise<void>, vm: VmProcess): Promise<unknown> {
  const hadStarted = await negotiated.then(
    () => true,
    () => false,
  );
  const { code, message } = PyroError.from(error);
  const { exitCode, signal } = await vm.exited;
  const wasKilled = signal === "SIGKILL" && code === "unavailable";
  if (!hadStarted || wasKilled || code === "cancelled" || code === "timeout") return error;
  return new PyroError("failed_precondition", `cannot continue the frozen machine: ${message}`, {
    hint: "Run `pyro prepare --force`.",
    details: { exitCode, signal },
    cause: error,
  });
}

async function freeze(request: {
  readonly vm: VmProcess;
  readonly handoverDir: string;
  readonly statePath: string;
  readonly signal: AbortSignal | undefined;
}): Promise<void> {
  const { vm, handoverDir, statePath, signal } = request;
  await using receiver = await receiveState(handoverDir);
  const { qmp } = vm;
  const commands = Promise.all([
    receiver.state,
    qmp.migrationEnd(),
    qmp.execute("migrate-set-capabilities", { capabilities: [ignoreSharedMemory, reportProgress] }),
    qmp.execute("stop"),
    qmp.execute("migrate", { uri: `unix:/proc/self/fd/${stateFd}/${receiver.socketName}` }),
  ]);
  await runs(vm, transferred(commands, "the virtual machine to freeze", signal));
  await writeFile(statePath, await receiver.state, { flag: "wx", mode: 0o600 });
  await rm(handoverDir, { recursive: true });
}

/** A folder that QEMU's user may enter, and nothing but the socket for the device state is in it. */
async function makeHandoverDir(parent: string): Promise<string> {
  const dir = join(parent, "handover");
  await mkdir(dir);
  await chmod(dir, 0o711);
  return dir;
}

function transferred(work: Promise<unknown>, waitingFor: string, signal: AbortSignal | undefined): Promise<unknown> {
  return withDeadline(work, { timeoutMs: stateTransferTimeoutMs, waitingFor, signal });
}

/** Awaits what the VM does. When it fails, or the VM dies first, the VM is gone and the error has its last words. */
async function runs<T>(vm: VmProcess, work: Promise<T>): Promise<T> {
  try {
    return await Promise.race([
      work,
      vm.exited.then((exit): never => {
        throw vmDied(exit);
      }),
    ]);
  } catch (error) {
    const failure = PyroError.from(error);
    // The connection can close just before the process is seen to end: then how it ended is the better answer.
    if (failure.code === "unavailable") await Promise.race([vm.exited, setTimeout(connectionLossGraceMs)]);
    await vm.stop();
    const exit = await vm.exited;
    if (failure.code === "unavailable" && exit.signal !== "SIGKILL") throw vmDied(exit);
    throw new PyroError(failure.code, failure.message, {
      ...(failure.hint === undefined ? {} : { hint: failure.hint }),
      details: { log: exit.log },
      cause: error,
    });
  }
}

function vmDied({ exitCode, signal, log }: VmExit): PyroError {
  const how = signal === null ? `exit code ${exitCode}` : signal;
  const lastLine = log.trim().split("\n").at(-1) ?? "";
  return new PyroError("unavailable", `the virtual machine ended unexpectedly (${how}): ${lastLine}`, {
    hint: "Run `pyro doctor`.",
    details: { log },
  });
}

function toVm(vm: VmProcess, spec: VmSpec): Vm {
  const layers = new LiveLayers(vm, spec);
  return {
    pid: vm.pid,
    agentStream: vm.agentStream,
    exited: vm.exited,
    pushWorkspaceLayer: (fileName) => layers.push(fileName),
    stop: () => vm.stop(),
    [Symbol.asyncDispose]: () => vm.stop(),
  };
}
