import { join } from "node:path";
import { endsWithin } from "../../core/deadline.ts";
import type { AgentClient } from "../../guest/agent.ts";
import type { Broker } from "../../network/broker/broker.ts";
import { Egress } from "../../network/egress.ts";
import { LedgerWriter } from "../../network/ledger.ts";
import { SyntheticAddresses } from "../../network/names.ts";
import { compilePolicy } from "../../network/policy/policy.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";
import { proxyFor } from "../../network/proxy.ts";
import type { Resolve } from "../../network/resolve.ts";
import type { EngineContext } from "../context.ts";

/** Takes out of a text what must not be on file. */
type Redact = (text: string) => string;

export interface EgressSources {
  readonly dir?: string;
  readonly resolve?: Resolve;
  readonly redact?: Redact;
  /** Puts secrets into what the guest sends */
  readonly broker?: Broker | undefined;
}

/**
 * The way out of one guest; without a folder its ledger and its names last as long as this process.
 */
export async function openEgress(
  { hostProxies }: Pick<EngineContext, "hostProxies">,
  rules: NetworkRules,
  { dir, resolve, redact, broker }: EgressSources = {},
): Promise<Egress> {
  return new Egress({
    policy: compilePolicy(rules),
    addresses: await SyntheticAddresses.open(dir === undefined ? undefined : join(dir, "names"), redact),
    ledger: new LedgerWriter(dir, redact),
    resolve,
    broker,
    proxyFor: (host, port) => proxyFor(hostProxies, host, port),
  });
}

/** Limit for a guest that stands still */
const disposeMs = 1_000;

/**
 * Decides for a machine what its guest reaches, until it is disposed of. Without it, or after a
 * failure, the guest reaches nothing.
 */
export function attachEgress(agent: AgentClient, egress: Egress): AsyncDisposable {
  const end = new AbortController();
  const listening = agent
    .listenToNetwork(
      {
        onQuestion: ({ id: _, ...asked }) => egress.addressOf(asked),
        onConnection: ({ id, ...wanted }) => egress.carry(wanted, () => agent.takeConnection(id)),
      },
      end.signal,
    )
    .catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      end.abort();
      // A guest that stands still does not end its part. It ends with its machine.
      await endsWithin(listening, disposeMs);
    },
  };
}
