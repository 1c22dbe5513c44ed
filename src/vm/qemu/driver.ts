import { dirname } from "node:path";
import { PyroError } from "../../core/errors.ts";
import type { BootedVm, Driver, MachineSpec, Vm, VmSpec } from "../driver.ts";
import type { DriverFeatures } from "../features.ts";
import { qemuArgs } from "./args.ts";
import { freezeVm, loadFrozenState, makeHandoverDir } from "./frozen-state.ts";
import type { QemuInstallation } from "./installation.ts";
import { LiveLayers } from "./live-layers.ts";
import { startVmProcess, type VmProcess, whileRunning } from "./vm-process.ts";

/** The driver for one QEMU program, whose VMs belong to the user `uid`. */
export function qemuDriver(installation: QemuInstallation, uid: number): Driver {
  const features = featuresOf(installation);
  return {
    features,
    describeMachine,
    async boot(spec, signal) {
      signal?.throwIfAborted();
      const handoverDir = spec.memoryPath === null ? undefined : await makeHandoverDir(dirname(spec.memoryPath));
      const vm = await startVmProcess({ features, uid, spec, start: "boot", stateDir: handoverDir });
      await whileRunning(vm, vm.qmp.execute("qmp_capabilities"));
      return toBootedVm(vm, spec, handoverDir);
    },
    async fork(spec, statePath, signal) {
      signal?.throwIfAborted();
      return toVm(await loadFrozenState({ features, uid, spec, statePath, signal }), spec);
    },
  };
}

function featuresOf({ path, version, stamp, mapsReadOnlyMemory }: QemuInstallation): DriverFeatures {
  return {
    vmm: "qemu",
    version,
    path,
    fingerprint: `${path} ${version} ${stamp.inode}:${stamp.mtimeNs}`,
    accelerators: ["kvm", "tcg"],
    snapshots: true,
    liveLayers: true,
    layeredDisks: true,
    addedDisks: true,
    mapsReadOnlyMemory,
  };
}

/**
 * The command line of a machine, with its paths, and stand-ins for everything that may differ
 * between forks.
 */
function describeMachine(machine: MachineSpec): string {
  const args = qemuArgs({
    name: "",
    machine,
    start: "boot",
    mapsReadOnlyMemory: false,
    fds: { qmp: 0, agent: 0, memory: 0, kernel: 0, initramfs: 0, rootLayers: [], workspaceLayers: [], addedDisks: [] },
    durable: { root: false, workspace: false },
  });
  return [...args, machine.kernelPath, machine.initramfsPath].join(" ");
}

function toBootedVm(vm: VmProcess, spec: VmSpec, handoverDir: string | undefined): BootedVm {
  return {
    ...toVm(vm, spec),
    async freeze(statePath, signal) {
      if (handoverDir === undefined) throw new PyroError("internal", "this machine has no memory file to freeze");
      await freezeVm({ vm, handoverDir, statePath, signal });
    },
  };
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
