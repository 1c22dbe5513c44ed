import { composeEngineContext } from "../../src/compose.ts";
import type { EngineContext } from "../../src/machines/context.ts";
import { attachEgress, openEgress } from "../../src/machines/guest/network.ts";
import { type OneOffMachine, openOneOff } from "../../src/machines/one-off/open.ts";
import { defaultShape } from "../../src/machines/shape.ts";
import type { Broker } from "../../src/network/broker/broker.ts";
import type { Egress } from "../../src/network/egress.ts";
import { compilePolicy } from "../../src/network/policy/policy.ts";
import { type NetworkRules, offline } from "../../src/network/policy/rules.ts";
import type { NetworkUse } from "../../src/network/use.ts";
import { TestCache } from "./cli.ts";
import { linkSharedTemplates } from "./templates.ts";

const commandTimeoutMs = 120_000;

export interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly use: NetworkUse;
  readonly durationMs: number;
}

/** A virtual machine whose way out is in this process, with names that a test makes up. */
export class NetworkedGuest implements AsyncDisposable {
  readonly machine: OneOffMachine;
  readonly egress: Egress;
  /** Addresses of the names of this host, which a test may change at any time */
  readonly names: Map<string, readonly string[]>;
  readonly #network: AsyncDisposable;
  readonly #cache: TestCache;
  #commands = 0;

  private constructor(
    parts: Pick<NetworkedGuest, "machine" | "egress" | "names">,
    network: AsyncDisposable,
    cache: TestCache,
  ) {
    this.machine = parts.machine;
    this.egress = parts.egress;
    this.names = parts.names;
    this.#network = network;
    this.#cache = cache;
  }

  static async open(dir?: string, broker?: Broker): Promise<NetworkedGuest> {
    const cache = await TestCache.create();
    await linkSharedTemplates(cache.dir);
    const context: EngineContext = composeEngineContext({ ...process.env, ...cache.env });
    const names = new Map<string, readonly string[]>();
    const egress = await openEgress({ hostProxies: {} }, offline, {
      ...(dir === undefined ? {} : { dir }),
      broker,
      resolve: async (name) => {
        const addresses = names.get(name);
        return addresses ? { addresses } : { missing: true, reason: "the name does not exist" };
      },
    });
    const machine = await openOneOff(context, { environment: "debian:12", shape: defaultShape }, {});
    const network = attachEgress(machine.agent, egress);
    return new NetworkedGuest({ machine, egress, names }, network, cache);
  }

  /** Decides by these rules from now on. */
  allow(rules: Partial<NetworkRules>): void {
    this.egress.usePolicy(compilePolicy({ ...offline, mode: "egress", ...rules }));
  }

  /** Runs a script of bash to its end. */
  async run(script: string, timeoutMs = commandTimeoutMs): Promise<Ran> {
    this.#commands += 1;
    const label = `command ${this.#commands}`;
    const output = { stdout: "", stderr: "" };
    const { exitCode, durationMs } = await this.machine.exec(
      { argv: ["bash", "-c", script], timeoutMs, stdin: false, label },
      {
        onStdout(chunk) {
          output.stdout += chunk.toString();
        },
        onStderr(chunk) {
          output.stderr += chunk.toString();
        },
      },
    );
    return { exitCode, durationMs, ...output, use: this.egress.takeUseOf(label) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine.close();
    await this.#network[Symbol.asyncDispose]();
    await this.egress.close();
    await this.#cache[Symbol.asyncDispose]();
  }
}
