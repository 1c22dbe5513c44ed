import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { messageOf, PyroError } from "../../../src/core/errors.ts";
import { killGroup, spawnTied } from "../../../src/host/process.ts";
import type { BootedVm, Disk, Driver, VmExit } from "../../../src/vm/driver.ts";
import { type DriverFeatures, type Power, requirePower } from "../../../src/vm/features.ts";
import { cgroupRoot, removeGroup, tryGroup } from "./cgroups.ts";

const script = fileURLToPath(new URL("machine.sh", import.meta.url));
/** Descriptor of the agent's socket */
const agentFd = 3;

const features: DriverFeatures = {
  vmm: "namespaces",
  version: "1",
  path: script,
  fingerprint: "namespaces 1",
  accelerators: [],
  snapshots: false,
  liveLayers: false,
  layeredDisks: false,
  addedDisks: true,
  mapsReadOnlyMemory: false,
};

/**
 * Why tests with machines in namespaces must be skipped; null if they can run. As for virtual
 * machines, PYRO_REQUIRE_VM=1 makes it a failure, but for ordinary users, for whom Linux has no
 * way.
 */
export function findNamespaceObstacle(): string | null {
  // A user's own namespace may not mount the ext4 disk of a workspace, nor freeze it.
  if (process.getuid?.() !== 0) return "only root can mount the disk of a workspace";
  const obstacle = findRootObstacle();
  if (obstacle === null || process.env["PYRO_REQUIRE_VM"] !== "1") return obstacle;
  throw new Error(`PYRO_REQUIRE_VM=1, but the agent cannot run in namespaces: ${obstacle}`);
}

function findRootObstacle(): string | null {
  const { status, error, stderr } = spawnSync(
    "unshare",
    ["--fork", "--pid", "--mount", "--uts", "--ipc", "--net", "sh", "-c", "command -v losetup mkfs.ext4 ip pivot_root"],
    { encoding: "utf8" },
  );
  if (error) return `unshare cannot be run (${error.message})`;
  if (status !== 0) return `namespaces or their tools are missing: ${stderr.trim()}`;
  try {
    tryGroup(join(cgroupRoot(), `pyro-test-${randomUUID()}`));
    return null;
  } catch (failure) {
    return messageOf(failure);
  }
}

/**
 * A driver without a VM, for tests. It runs the real agent in Linux namespaces, so a machine starts
 * in a few milliseconds. It isolates nothing that must be isolated: kernel, clock and programs are
 * the host's. Its machines have the workspace disk of their spec and the added ones, but neither
 * its kernel nor its root disk.
 */
export function namespaceDriver(agentPath: string): Driver {
  return {
    features,
    describeMachine: () => "namespaces",
    async boot(spec, signal) {
      signal?.throwIfAborted();
      return start(agentPath, [spec.workspaceDisk, ...(spec.addedDisks ?? [])].map(imageOf));
    },
    fork: async () => lacks("snapshots", "cannot fork a machine"),
  };
}

function imageOf({ layers }: Disk): string {
  const [{ path, format }] = layers;
  if (layers.length > 1 || format !== "raw") lacks("layeredDisks", "cannot boot a machine");
  return path;
}

function lacks(power: Power, failure: string): never {
  requirePower(features, power, failure);
  throw new PyroError("internal", `'${power}' is not missing`);
}

function start(agentPath: string, diskPaths: readonly string[]): BootedVm {
  const group = join(cgroupRoot(), `pyro-test-${randomUUID()}`);
  const child = spawnTied([script, "start", agentPath, group, ...diskPaths], "KILL", {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      log += chunk;
    });
  }
  const exited = new Promise<VmExit>((resolve) => {
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal, log }));
  });
  const agentStream = child.stdio[agentFd] as Duplex;
  agentStream.on("error", () => {
    // Users of the stream learn it from their reads.
  });
  const stop = async () => {
    killGroup(child, "SIGKILL");
    await exited;
    await removeGroup(group);
  };
  return {
    pid: child.pid ?? 0,
    agentStream,
    exited,
    stop,
    freeze: async () => lacks("snapshots", "cannot freeze a machine"),
    pushWorkspaceLayer: async () => lacks("liveLayers", "cannot add a layer"),
    [Symbol.asyncDispose]: stop,
  };
}
