import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Authority } from "../../src/network/broker/authority.ts";
import { Broker } from "../../src/network/broker/broker.ts";
import type { BrokeredSecret } from "../../src/network/broker/secret.ts";
import { Egress } from "../../src/network/egress.ts";
import { type LedgerEntry, LedgerWriter } from "../../src/network/ledger.ts";
import { SyntheticAddresses } from "../../src/network/names.ts";
import { compilePolicy } from "../../src/network/policy/policy.ts";
import { offline } from "../../src/network/policy/rules.ts";
import type { NetworkUse } from "../../src/network/use.ts";

export const value = "ghp_S3cretS3cretS3cretS3cretS3cretS3cr";
export const placeholder = "ghp_PlaceHolderPlaceHolderPlaceHolderX";
const serverHost = "127.0.0.2";
const label = "command 1";

/** Keeps what it is given in the place of a file. */
class KeptLedger extends LedgerWriter {
  readonly entries: LedgerEntry[] = [];

  override record(entry: LedgerEntry): void {
    this.entries.push(entry);
  }
}

/** What a guest has, without a guest: programs of this host connect to the doors of names. */
export class BrokeredNetwork implements AsyncDisposable {
  /** The authority of the servers outside, which only the broker trusts */
  readonly outside: Authority;
  readonly broker: Broker;
  readonly egress: Egress;
  readonly #ledger: KeptLedger;
  readonly #doors: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(parts: Pick<BrokeredNetwork, "broker" | "egress">, outside: Authority, ledger: KeptLedger) {
    this.broker = parts.broker;
    this.egress = parts.egress;
    this.outside = outside;
    this.#ledger = ledger;
  }

  /** All names below `test` are servers of this host. */
  static async open(secrets: readonly BrokeredSecret[], outside = new Authority(["test"])): Promise<BrokeredNetwork> {
    const ledger = new KeptLedger(undefined);
    const broker = await Broker.open({ secrets, authorities: [outside.pem] });
    const egress = new Egress({
      policy: compilePolicy({
        ...offline,
        mode: "egress",
        allowHosts: ["*.test:1-65535"],
        allowPrivate: [serverHost],
      }),
      addresses: await SyntheticAddresses.open(),
      ledger,
      resolve: async () => ({ addresses: [serverHost] }),
      broker,
    });
    return new BrokeredNetwork({ broker, egress }, outside, ledger);
  }

  /** A port of this host that is a port of a name for the guest. */
  async door(name: string, port: number): Promise<number> {
    const address = (await this.egress.addressOf({ name, type: "A", label })) ?? name;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      if (!this.egress.carry({ address, port, label, process: "curl" }, () => socket)) socket.resetAndDestroy();
    });
    server.listen({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    this.#doors.push(server);
    return (server.address() as AddressInfo).port;
  }

  /** What the guest's programs did so far. */
  get use(): NetworkUse {
    return this.egress.useOf(label);
  }

  get ledger(): readonly LedgerEntry[] {
    return this.#ledger.entries;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const door of this.#doors) door.close();
    await this.egress.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A secret for some hosts. */
export function secretFor(hosts: readonly string[], more: Partial<BrokeredSecret> = {}): BrokeredSecret {
  return { name: "TOKEN", hosts, placeholder, value: async () => value, ...more };
}
