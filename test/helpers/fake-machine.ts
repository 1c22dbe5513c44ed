import { duplexPair } from "node:stream";
import { Deferred } from "../../src/core/async.ts";
import type { AgentClient } from "../../src/guest/agent.ts";
import type { Machine } from "../../src/machines/machine.ts";
import type { VmExit } from "../../src/vm/driver.ts";
import type { DriverFeatures } from "../../src/vm/features.ts";

const noPowers: DriverFeatures = {
  vmm: "fake",
  version: "0",
  path: "/fake",
  fingerprint: "fake",
  accelerators: [],
  snapshots: false,
  liveLayers: false,
  layeredDisks: false,
  addedDisks: false,
  mapsReadOnlyMemory: false,
};

/** A machine that does nothing, and ends when it is told to or when a test lets it die. */
export class FakeMachine {
  isClosed = false;
  /** How the guest takes the request to switch itself off */
  onPowerOff: () => Promise<void> = async () => this.die(0);
  readonly #exit = new Deferred<VmExit>();

  /** The machine as its owner sees it. */
  get machine(): Machine {
    const close = async () => {
      this.isClosed = true;
      this.die(null, "SIGKILL");
    };
    const agent = {
      powerOff: () => this.onPowerOff(),
      listenToNetwork: async () => {},
      close() {},
    } as Partial<AgentClient> as AgentClient;
    return {
      agent,
      vm: {
        pid: process.pid,
        agentStream: duplexPair()[0],
        exited: this.#exit.promise,
        stop: close,
        pushWorkspaceLayer: async () => {},
        [Symbol.asyncDispose]: close,
      },
      features: noPowers,
      isolation: { vmm: "fake", accelerator: "tcg" },
      info: () => Promise.reject(new Error("not expected")),
      exec: () => Promise.reject(new Error("not expected")),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  die(exitCode: number | null, signal: NodeJS.Signals | null = null): void {
    this.#exit.resolve({ exitCode, signal, log: "the last line" });
  }
}
