import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentClient } from "../../guest/agent.ts";
import { Broker } from "../../network/broker/broker.ts";
import type { BrokeredSecret } from "../../network/broker/secret.ts";
import { addedCertificates } from "../../network/certificates/host.ts";
import { Egress } from "../../network/egress.ts";
import { LedgerWriter } from "../../network/ledger.ts";
import { SyntheticAddresses } from "../../network/names.ts";
import { compilePolicy } from "../../network/policy/policy.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";
import { proxyFor } from "../../network/proxy.ts";
import type { Resolve } from "../../network/resolve.ts";
import type { EngineContext } from "../context.ts";

export interface EgressSources {
  readonly dir?: string;
  readonly resolve?: Resolve;
  /** Puts secrets into what the guest sends */
  readonly broker?: Broker | undefined;
}

/**
 * The way out of one guest; without a folder its ledger and its names last as long as this process.
 */
export async function openEgress(
  { hostProxies }: Pick<EngineContext, "hostProxies">,
  rules: NetworkRules,
  { dir, resolve, broker }: EgressSources = {},
): Promise<Egress> {
  return new Egress({
    policy: compilePolicy(rules),
    addresses: await SyntheticAddresses.open(dir === undefined ? undefined : join(dir, "names")),
    ledger: new LedgerWriter(dir),
    resolve,
    broker,
    proxyFor: (host, port) => proxyFor(hostProxies, host, port),
  });
}

/**
 * What puts secrets into the requests of one guest; undefined if there are none. Servers may have
 * the authorities that were added to this host. The guest has to trust `authorityPem`.
 */
export async function openBroker(
  { certificateFiles }: Pick<EngineContext, "certificateFiles">,
  secrets: readonly BrokeredSecret[],
): Promise<Broker | undefined> {
  if (secrets.length === 0) return undefined;
  const added = await addedCertificates({ files: certificateFiles });
  return Broker.open({ secrets, authorities: added.map(({ pem }) => pem) });
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
      await Promise.race([listening, sleep(disposeMs, undefined, { ref: false })]);
    },
  };
}
