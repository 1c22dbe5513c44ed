import { PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { AgentClient } from "../guest/agent.ts";
import type { GuestInfo } from "../guest/messages.ts";
import type { BootedVm, Driver, VmExit, VmSpec } from "../vm/driver.ts";

export interface BootedGuest extends AsyncDisposable {
  readonly vm: BootedVm;
  readonly agent: AgentClient;
  readonly info: GuestInfo;
}

export interface BootOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Boots a machine and waits for its agent. A failure leaves no VM. */
export async function bootGuest(driver: Driver, spec: VmSpec, options: BootOptions): Promise<BootedGuest> {
  const vm = await driver.boot(spec, options.signal);
  const agent = new AgentClient(vm.agentStream);
  try {
    const info = await Promise.race([agent.info(options), failsWhenGone(vm.exited, spec.name)]);
    return {
      vm,
      agent,
      info,
      async [Symbol.asyncDispose]() {
        agent.close();
        await vm.stop();
      },
    };
  } catch (error) {
    agent.close();
    await vm.stop();
    const { log } = await vm.exited;
    const failure = PyroError.from(error);
    throw new PyroError(failure.code, `cannot boot ${spec.name}: ${failure.message}`, {
      hint: failure.advice ?? hint`${toRun("doctor")}.`,
      details: { console: log.slice(-4_000) },
      cause: error,
    });
  }
}

async function failsWhenGone(exited: Promise<VmExit>, name: string): Promise<never> {
  const { exitCode, signal, log } = await exited;
  const lastLines = log.trim().split("\n").slice(-3).join(" | ");
  throw new PyroError("unavailable", `${name} ended with ${signal ?? `exit code ${exitCode}`}: ${lastLines}`);
}
