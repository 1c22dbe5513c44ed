import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withDeadline } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { FrozenStateError } from "../driver.ts";
import { receiveState } from "./state-receiver.ts";
import { type StartRequest, startVmProcess, stateFd, type VmProcess, whileRunning } from "./vm-process.ts";

const capabilities = [
  { capability: "x-ignore-shared", state: true },
  { capability: "events", state: true },
];
/** Freezing and forking move well under a megabyte, but a loaded host may take its time */
const transferTimeoutMs = 30_000;

export interface FreezeRequest {
  readonly vm: VmProcess;
  readonly handoverDir: string;
  readonly statePath: string;
  readonly signal: AbortSignal | undefined;
}

/** Pauses a VM and writes its device state, which comes by a socket in the handover folder. */
export async function freezeVm({ vm, handoverDir, statePath, signal }: FreezeRequest): Promise<void> {
  await using receiver = await receiveState(handoverDir);
  const { qmp } = vm;
  const commands = Promise.all([
    receiver.state,
    qmp.migrationEnd(),
    qmp.execute("migrate-set-capabilities", { capabilities }),
    qmp.execute("stop"),
    qmp.execute("migrate", { uri: `unix:/proc/self/fd/${stateFd}/${receiver.socketName}` }),
  ]);
  await whileRunning(vm, transferred(commands, "the virtual machine to freeze", signal));
  await writeFile(statePath, await receiver.state, { flag: "wx", mode: 0o600 });
  await rm(handoverDir, { recursive: true });
}

/** A folder that QEMU's user may enter, for nothing but the socket. */
export async function makeHandoverDir(parent: string): Promise<string> {
  const dir = join(parent, "handover");
  await mkdir(dir);
  await chmod(dir, 0o711);
  return dir;
}

export interface LoadRequest extends Omit<StartRequest, "start" | "stateDir"> {
  readonly statePath: string;
  readonly signal: AbortSignal | undefined;
}

/** Starts a VM that continues a frozen one. */
export async function loadFrozenState({ statePath, signal, ...start }: LoadRequest): Promise<VmProcess> {
  const state = await readFile(statePath);
  const vm = await startVmProcess({ ...start, start: "fork", stateDir: undefined });
  vm.stateStream?.end(state);
  const { qmp } = vm;
  const loaded = qmp.migrationEnd();
  const negotiated = qmp.execute("qmp_capabilities");
  const commands = Promise.all([
    loaded,
    negotiated,
    qmp.execute("migrate-set-capabilities", { capabilities }),
    qmp.execute("migrate-incoming", { uri: `fd:${stateFd}` }),
  ]);
  const work = transferred(commands, "the frozen state to load", signal);
  await whileRunning(vm, work).catch(async (error: unknown) => {
    throw await explainLoadFailure(error, negotiated, vm);
  });
  await whileRunning(vm, qmp.execute("cont"));
  return vm;
}

/** Blames the state if QEMU started well and then did not load it, unless it was killed. */
async function explainLoadFailure(error: unknown, negotiated: Promise<void>, vm: VmProcess): Promise<unknown> {
  const hadStarted = await negotiated.then(
    () => true,
    () => false,
  );
  const { code, message } = PyroError.from(error);
  const { exitCode, signal } = await vm.exited;
  const wasKilled = signal === "SIGKILL" && code === "unavailable";
  if (!hadStarted || wasKilled || code === "cancelled" || code === "timeout") return error;
  return new FrozenStateError(message, { details: { exitCode, signal }, cause: error });
}

function transferred(work: Promise<unknown>, waitingFor: string, signal: AbortSignal | undefined): Promise<unknown> {
  return withDeadline(work, { timeoutMs: transferTimeoutMs, waitingFor, signal });
}
