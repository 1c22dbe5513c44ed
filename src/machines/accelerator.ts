import { access, constants, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import { checkWire } from "../core/wire-case.ts";
import { ensureDir, fileStampSchema, readRecord, sameStamp, stampFile, writeFact } from "../host/files.ts";
import { withLock } from "../host/lock/lock.ts";
import { bootId } from "../host/system.ts";
import type { BootableEnvironment } from "../images/store.ts";
import { type Accelerator, accelerators, type Driver, type VmSpec } from "../vm/driver.ts";
import type { DriverFeatures } from "../vm/features.ts";
import { bootGuest } from "./boot.ts";
import type { EngineCallOptions, EngineContext } from "./context.ts";
import { defaultShape } from "./shape.ts";
import { layOutMachine } from "./templates/builder.ts";
import type { VmTools } from "./vm-tools.ts";

export const acceleratorChoices = ["auto", ...accelerators] as const;
export type AcceleratorChoice = (typeof acceleratorChoices)[number];

const kvmDevice = "/dev/kvm";
/** A guest under working KVM has its agent up in about a second */
const proofTimeoutMs = 10_000;

const verdictSchema = z.object({
  hostBootId: z.string(),
  vmmFingerprint: z.string(),
  /** Stamp of the device: the users who may open it can change */
  device: fileStampSchema,
  works: z.boolean(),
  evidence: z.string(),
  provedAt: z.string(),
});
checkWire(verdictSchema, "accelerator verdict");
export type KvmVerdict = z.output<typeof verdictSchema>;

/** The accelerator of this host's VMs, and the reason. */
export interface AcceleratorDecision {
  readonly accelerator: Accelerator;
  readonly evidence: string;
}

/** Access that this process has to the device. */
export interface KvmAccess {
  readonly exists: boolean;
  readonly readable: boolean;
  readonly writable: boolean;
}

export async function kvmAccess(): Promise<KvmAccess> {
  const allows = (mode: number) =>
    access(kvmDevice, mode).then(
      () => true,
      () => false,
    );
  const [exists, readable, writable] = await Promise.all([
    allows(constants.F_OK),
    allows(constants.R_OK),
    allows(constants.W_OK),
  ]);
  return { exists, readable, writable };
}

/** Why KVM cannot work, as far as that is known without a try; undefined if it may work. */
async function kvmObstacle(uid: number): Promise<string | undefined> {
  const { exists, readable, writable } = await kvmAccess();
  if (!exists) return `${kvmDevice} does not exist`;
  if (!readable || !writable) return `${kvmDevice} may not be opened by this user`;
  // Root's QEMU becomes an unprivileged user in the device's group.
  const { mode } = await stat(kvmDevice);
  if (uid !== 0 || (mode & 0o060) === 0o060 || (mode & 0o006) === 0o006) return undefined;
  const permissions = (mode & 0o777).toString(8).padStart(4, "0");
  return `${kvmDevice} opens but does not run guests: QEMU drops root's rights and may not open it then (mode ${permissions})`;
}

/** The decision, as far as no boot is needed; undefined if KVM must be proved first. */
export async function knownAccelerator(
  context: EngineContext,
  features: DriverFeatures,
): Promise<AcceleratorDecision | undefined> {
  const decision = await decideWithoutBoot(context, features);
  if (decision) requireAccelerator(features, decision);
  return decision;
}

/** Fails closed if the driver's machines cannot run on what was decided. */
function requireAccelerator(
  { accelerators, vmm }: DriverFeatures,
  { accelerator, evidence }: AcceleratorDecision,
): void {
  if (accelerators.includes(accelerator)) return;
  throw new PyroError(
    "unsupported",
    `cannot run virtual machines: ${vmm} cannot run on '${accelerator}' (${evidence})`,
  );
}

async function decideWithoutBoot(
  { acceleratorChoice, layout, uid }: EngineContext,
  features: DriverFeatures,
): Promise<AcceleratorDecision | undefined> {
  if (acceleratorChoice !== "auto") {
    return { accelerator: acceleratorChoice, evidence: "chosen by PYRO_ACCELERATOR" };
  }
  const obstacle = await kvmObstacle(uid);
  if (obstacle !== undefined) return { accelerator: "tcg", evidence: obstacle };
  const read = await readRecord(verdictPath(layout.factsDir), verdictSchema);
  if (read.status !== "ok") return undefined;
  const { record } = read;
  if (record.hostBootId !== (await bootId()) || record.vmmFingerprint !== features.fingerprint) return undefined;
  if (!sameStamp(record.device, await stampFile(kvmDevice))) return undefined;
  return { accelerator: record.works ? "kvm" : "tcg", evidence: record.evidence };
}

/** Makes the next decision prove KVM again: on a busy host the proof may miss its deadline. */
export async function forgetVerdict({ layout }: EngineContext): Promise<void> {
  await rm(verdictPath(layout.factsDir), { force: true });
}

/** The environment and the programs that a guest boots with. */
export interface MachineSource extends VmTools {
  readonly environment: BootableEnvironment;
}

/**
 * Decides what VMs run on. A `/dev/kvm` that opens proves nothing: some hosts then run a guest
 * thousands of times slower, or kill it. So `auto` boots a guest to its agent, once per boot of the
 * host and version of the VMM.
 */
export async function chooseAccelerator(
  context: EngineContext,
  source: MachineSource,
  { signal, onProgress }: EngineCallOptions,
): Promise<AcceleratorDecision> {
  const { factsDir, locksDir } = context.layout;
  const { features } = source.driver;
  const known = () => knownAccelerator(context, features);
  const decision = await known();
  if (decision) return decision;
  const lock = { dir: locksDir, name: "accelerator", purpose: "proving KVM", timeoutMs: 4 * proofTimeoutMs, signal };
  return withLock(lock, async () => {
    const provedMeanwhile = await known();
    if (provedMeanwhile) return provedMeanwhile;
    onProgress?.({ phase: "prove-kvm", environment: source.environment.name });
    const { works, evidence } = await proveKvm(context, source, signal);
    const verdict: KvmVerdict = {
      hostBootId: await bootId(),
      vmmFingerprint: features.fingerprint,
      device: await stampFile(kvmDevice),
      works,
      evidence,
      provedAt: new Date().toISOString(),
    };
    await writeFact(verdictPath(factsDir), verdictSchema, verdict);
    const proved: AcceleratorDecision = { accelerator: works ? "kvm" : "tcg", evidence };
    requireAccelerator(features, proved);
    return proved;
  });
}

async function proveKvm(
  { layout }: EngineContext,
  { driver, disks, environment }: MachineSource,
  signal: AbortSignal | undefined,
): Promise<{ works: boolean; evidence: string }> {
  const dir = join(layout.templatesDir, "kvm-proof");
  await rm(dir, { recursive: true, force: true });
  await ensureDir(dir);
  try {
    const { agentPath } = layout;
    const machine = { disks, environment, agentPath, shape: defaultShape, accelerator: "kvm" } as const;
    const spec = await layOutMachine(machine, dir);
    return await bootProof(driver, { ...spec, name: "a guest under KVM" }, signal);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function bootProof(
  driver: Driver,
  spec: VmSpec,
  signal: AbortSignal | undefined,
): Promise<{ works: boolean; evidence: string }> {
  const startedMs = performance.now();
  try {
    await using guest = await bootGuest(driver, spec, { timeoutMs: proofTimeoutMs, signal });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    return { works: true, evidence: `a guest with kernel ${guest.info.kernel} booted to its agent in ${seconds} s` };
  } catch (error) {
    const failure = PyroError.from(error);
    if (failure.code === "cancelled") throw failure;
    return { works: false, evidence: `${kvmDevice} opens but does not run guests: ${failure.message}` };
  }
}

function verdictPath(factsDir: string): string {
  return join(factsDir, "kvm-verdict.json");
}
