import { setMaxListeners } from "node:events";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { messageOf } from "../core/errors.ts";
import { Pace } from "../core/pace.ts";
import type { Broker, BrokeredConnection, BrokerVerdict } from "./broker/broker.ts";
import { cutOnDenial } from "./broker/plain-watch.ts";
import { type Dialled, dial, dialThroughProxy, type HostProxy } from "./dial.ts";
import { hearFirstWords } from "./first-words.ts";
import { Joint, reset } from "./joint.ts";
import type { LedgerEntry, LedgerWriter } from "./ledger.ts";
import type { SyntheticAddresses } from "./names.ts";
import { hostName } from "./policy/name.ts";
import type { NetworkPolicy } from "./policy/policy.ts";
import type { Verdict as Judgement, Denial as PolicyDenial } from "./policy/verdict.ts";
import { QuestionPairs } from "./question-pairs.ts";
import { type Denial, refuse } from "./refuse.ts";
import { type Resolve, resolveOnHost } from "./resolve.ts";
import type { FirstWords } from "./server-name/first-words.ts";
import { judgeFirstWords } from "./server-name/judge.ts";
import { shownName } from "./server-name/name.ts";
import { NetworkTally, type NetworkUse, type Verdict } from "./use.ts";

/** Connections of one guest that may be open at once */
const maxOpen = 256;
/** New connections that a guest may make; more of them wait */
const newConnections = { perSecond: 100, burst: 256 };
/** Types of records by which a program wants an address */
const addressTypes: ReadonlySet<string> = new Set(["A", "AAAA", "ALL"]);
const httpsPort = 443;
/** Limit for the commands whose use is kept, for background processes of ended commands */
const maxTallies = 1_000;

/** The process of the guest that wants something. */
export interface Asker {
  readonly process?: string | undefined;
  readonly pid?: number | undefined;
  /** Label of the command that it belongs to */
  readonly label?: string | undefined;
}

export interface WantedConnection extends Asker {
  /** Literal, perhaps one that stands for a name */
  readonly address: string;
  readonly port: number;
}

export interface AskedName extends Asker {
  readonly name: string;
  /** Type of the records, such as `A` */
  readonly type: string;
}

export interface EgressOptions {
  readonly policy: NetworkPolicy;
  readonly addresses: SyntheticAddresses;
  readonly ledger: LedgerWriter;
  /** The host's proxy for a destination; undefined: none */
  readonly proxyFor?: ((host: string, port: number) => HostProxy | undefined) | undefined;
  readonly resolve?: Resolve | undefined;
  /** Puts secrets into requests; undefined: there are none */
  readonly broker?: Broker | undefined;
}

interface Target {
  readonly host: string;
  readonly port: number;
  /** Whether the host is a name, which is resolved at every dial */
  readonly isName: boolean;
}

/** What a process wants. */
interface Wanted {
  readonly host: string;
  /** null: only the name */
  readonly port: number | null;
  readonly asker: Asker;
}

/** A connection that is being carried. */
interface Carried {
  readonly entry: LedgerEntry;
  readonly asker: Asker;
}

type Reached = Dialled | { readonly denial: Denial };

/**
 * The way out of one guest. It alone decides what the guest reaches, resolves names and dials. All
 * that the guest learns are addresses that stand for names.
 */
export class Egress {
  #policy: NetworkPolicy;
  readonly #options: EgressOptions;
  readonly #resolve: Resolve;
  readonly #tallies = new Map<string, NetworkTally>();
  readonly #open = new Map<Duplex, LedgerEntry>();
  readonly #pace = new Pace(newConnections);
  readonly #pairs = new QuestionPairs();
  readonly #end = new AbortController();

  constructor(options: EgressOptions) {
    this.#options = options;
    // Each dial listens to it.
    setMaxListeners(0, this.#end.signal);
    this.#policy = options.policy;
    this.#resolve = options.resolve ?? resolveOnHost;
  }

  /** Decides by this policy from now on. Open connections that it denies are reset. */
  usePolicy(policy: NetworkPolicy): void {
    this.#policy = policy;
    for (const [guest, { host, port, address }] of this.#open) {
      if (port !== null && !this.#isStillAllowed(this.#targetOf(host, port), address)) guest.destroy();
    }
  }

  /** What the processes of a command have tried so far. */
  useOf(label: string): NetworkUse {
    return this.#tallies.get(label)?.use ?? null;
  }

  /** What the processes of a command have tried, which is then forgotten. */
  takeUseOf(label: string): NetworkUse {
    const use = this.useOf(label);
    this.#tallies.delete(label);
    return use;
  }

  /** Connections that are open now. */
  get open(): readonly LedgerEntry[] {
    return [...this.#open.values()];
  }

  /** Resolves when the ledger has all that has ended. */
  async settled(): Promise<void> {
    await this.#options.ledger.idle();
  }

  /** Resets every connection. */
  async close(): Promise<void> {
    this.#end.abort();
    for (const guest of this.#open.keys()) guest.destroy();
    await this.settled();
  }

  /** The address that stands for a name; null if the name does not exist for this guest. */
  async addressOf(asked: AskedName): Promise<string | null> {
    const { name: wanted, type } = asked;
    const name = hostName(wanted) ?? shownName(Buffer.from(wanted));
    const judged = this.#policy.judgeName(wanted);
    // Of other records, such as those of services, the guest learns only that there are none.
    if (!addressTypes.has(type))
      return judged.allowed ? ((await this.#options.addresses.addressOf(name)) ?? null) : null;
    if (!judged.allowed) return this.#withoutAddress(name, asked, { verdict: "denied", ...denialOf(judged) });
    const resolution = await this.#resolve(name);
    if ("addresses" in resolution) {
      const denial = this.#denialOfAll(name, resolution.addresses);
      if (denial) return this.#withoutAddress(name, asked, { verdict: "denied", ...denial });
    } else if (!this.#options.proxyFor?.(name, httpsPort) || !this.#policy.isNamed(name)) {
      return this.#withoutAddress(name, asked, { verdict: "failed", reason: resolution.reason });
    }
    const address = await this.#options.addresses.addressOf(name);
    if (address !== undefined) return address;
    const reason = "the workspace has asked for too many names";
    return this.#withoutAddress(name, asked, { verdict: "failed", reason });
  }

  /** Why none of a name's addresses may be dialled on any port, as far as that is known already. */
  #denialOfAll(name: string, addresses: readonly string[]): Denial | undefined {
    const special = addresses.map((address) => this.#policy.dialable(name, httpsPort, [address]).refused[0]);
    const isHopeless = special.every((refused) => refused !== undefined && refused.kind !== "denied");
    return isHopeless && special[0] ? denialOf(special[0]) : undefined;
  }

  /** Notes why a name does not exist for the guest, once for a pair of questions. */
  #withoutAddress(host: string, { type, ...asker }: AskedName, verdict: Verdict): null {
    if (this.#pairs.isSecond(`${asker.label} ${asker.pid} ${host}`, type)) return null;
    this.#note({ host, port: null, asker }, verdict);
    return null;
  }

  /**
   * Whether it takes the connection and carries it to its end. `take` gives the guest's end of it.
   * Otherwise the guest must reset it.
   */
  carry({ address, port, ...asker }: WantedConnection, take: () => Duplex): boolean {
    if (this.#end.signal.aborted) return false;
    const target = this.#targetOf(this.#options.addresses.nameAt(address) ?? address, port);
    const { host } = target;
    if (this.#open.size >= maxOpen) {
      const reason = `${maxOpen} connections are open, which is the limit`;
      this.#note({ host, port, asker }, { verdict: "failed", reason });
      return false;
    }
    void this.#carryToEnd(take(), target, asker);
    return true;
  }

  async #carryToEnd(guest: Duplex, target: Target, asker: Asker): Promise<void> {
    const { host, port } = target;
    const entry = newEntry({ host, port, asker });
    const startedMs = performance.now();
    this.#open.set(guest, entry);
    try {
      const verdict = await this.#carry(guest, target, { entry, asker });
      entry.durationMs = Math.round(performance.now() - startedMs);
      this.#record(entry, verdict);
      if (verdict.verdict === "allowed") return;
      // The result of a command must have it before the command can end of it.
      this.#count({ host, port, asker }, verdict);
      if (verdict.verdict === "denied") await refuse(guest, target, verdict);
      await verdict.tell?.();
    } catch (error) {
      const failed = { verdict: "failed", reason: messageOf(error) } as const;
      this.#record(entry, failed);
      this.#count({ host, port, asker }, failed);
    } finally {
      this.#open.delete(guest);
      guest.destroy();
    }
  }

  async #carry(
    guest: Duplex,
    target: Target,
    { entry, asker }: Carried,
  ): Promise<BrokerVerdict & { readonly words?: FirstWords }> {
    await this.#pace.next(this.#end.signal);
    const judged = this.#judge(target);
    if (!judged.allowed) return { verdict: "denied", ...denialOf(judged) };
    const reached = await this.#reach(target);
    if ("denial" in reached) return { verdict: "denied", ...reached.denial };
    if ("failure" in reached) return { verdict: "failed", reason: reached.failure };
    const { socket, address } = reached;
    // A closed connection says so only once.
    if (guest.destroyed || !this.#isStillAllowed(target, address)) {
      reset(socket);
      return { verdict: "failed", reason: "it was given up before it was connected" };
    }
    entry.address = address;
    const { broker } = this.#options;
    const joint = new Joint(guest, socket, entry);
    // What the client says waits until it is known whom that is for.
    const { words, bytes } = await hearFirstWords(guest, { hasServerSpoken: () => entry.receivedBytes > 0 });
    const isBrokered = words.kind === "tls" && target.isName && broker?.covers(target);
    const watch = words.kind === "http" ? broker?.watchPlain() : undefined;
    const denial = this.#mismatch(target, words) ?? (isBrokered ? broker?.denialOf(target, words) : watch?.(bytes));
    if (denial) {
      joint.cut();
      return { verdict: "denied", ...denial, words };
    }
    if (broker && isBrokered) {
      joint.release();
      const events = this.#brokerEvents(target, { entry, asker });
      return broker.carry({ place: target, guest, said: bytes, outside: socket, traffic: entry, events });
    }
    this.#count({ host: target.host, port: target.port, asker }, { verdict: "allowed" });
    const late = watch && cutOnDenial({ guest, joint, watch });
    joint.sendOut(bytes);
    await joint.closed;
    return { verdict: "allowed", ...late?.denied };
  }

  #brokerEvents({ host, port }: Target, { entry, asker }: Carried): BrokeredConnection["events"] {
    const what = { host, port, asker };
    return {
      onOpen: () => this.#count(what, { verdict: "allowed" }),
      onDenial: (rule) => this.#note(what, { verdict: "denied", rule, howToAllow: "" }),
      onUse: (name) => {
        countSecret(entry, name);
        if (asker.label !== undefined) this.#tallyOf(asker.label).countSecret(name, host);
      },
    };
  }

  /** Whether a connection may go on to the address that it has; a proxy's address is none. */
  #isStillAllowed(target: Target, address: string | null): boolean {
    if (!this.#judge(target).allowed) return false;
    const isDirect = target.isName && address !== null && isIP(address) !== 0;
    return !isDirect || this.#policy.dialable(target.host, target.port, [address]).allowed.length > 0;
  }

  #targetOf(host: string, port: number): Target {
    return { host, port, isName: isIP(host) === 0 };
  }

  #judge({ host, port, isName }: Target): Judgement {
    return isName ? this.#policy.judgeNamed(host, port) : this.#policy.judgeLiteral(host, port);
  }

  async #reach(target: Target): Promise<Reached> {
    const { host, port, isName } = target;
    const { signal } = this.#end;
    const proxy = this.#options.proxyFor?.(host, port);
    const resolution = isName ? await this.#resolve(host) : { addresses: [host] };
    // A proxy may understand something else by a name, so it gets only those that a rule names.
    const isNamed = isName && this.#policy.isNamed(host, port);
    if ("missing" in resolution) {
      return proxy && isNamed ? dialThroughProxy(target, proxy, signal) : { failure: resolution.reason };
    }
    if (!isName) {
      return proxy ? dialThroughProxy(target, proxy, signal) : dial({ host, port, addresses: [host] }, signal);
    }
    const { allowed, refused } = this.#policy.dialable(host, port, resolution.addresses);
    if (allowed.length === 0) {
      const [first] = refused;
      return first ? { denial: denialOf(first) } : { failure: "the name has no address" };
    }
    if (!proxy) return dial({ host, port, addresses: allowed }, signal);
    return dialThroughProxy({ host: isNamed ? host : (allowed[0] ?? host), port }, proxy, signal);
  }

  /** Why what a client says is not for the server that its connection is for. */
  #mismatch({ host, port, isName }: Target, words: FirstWords): Denial | undefined {
    const belonging = judgeFirstWords(words, host);
    const what = words.kind === "tls" ? "TLS server name" : "HTTP host";
    if (belonging.kind === "same") return undefined;
    if (belonging.kind === "ambiguous") return { rule: `its ${what} is not clear`, howToAllow: "" };
    // What was named by its address may have any name, unless that one is denied.
    if (!isName) {
      const denial = this.#policy.denialOf(belonging.name, port);
      return denial && denialOf(denial);
    }
    return { rule: `the connection is for ${host}, and its ${what} is '${belonging.name}'`, howToAllow: "" };
  }

  /** Notes what came of something before it was a connection. */
  #note(what: Wanted, verdict: Verdict): void {
    this.#record(newEntry(what), verdict);
    this.#count(what, verdict);
  }

  #record(entry: LedgerEntry, verdict: Verdict): void {
    this.#options.ledger.record({ ...entry, ...inLedger(verdict), isOpen: false });
  }

  #count({ host, port, asker }: Wanted, verdict: Verdict): void {
    if (asker.label === undefined) return;
    this.#tallyOf(asker.label).count({ host, port, process: asker.process ?? null, ...verdict });
  }

  #tallyOf(label: string): NetworkTally {
    const known = this.#tallies.get(label);
    if (known) return known;
    const oldest = this.#tallies.size >= maxTallies ? this.#tallies.keys().next().value : undefined;
    if (oldest !== undefined) this.#tallies.delete(oldest);
    const tally = new NetworkTally();
    this.#tallies.set(label, tally);
    return tally;
  }
}

function denialOf({ rule, howToAllow }: Pick<PolicyDenial, "rule" | "howToAllow">): Denial {
  return { rule, howToAllow: howToAllow ?? "" };
}

function countSecret({ secrets }: LedgerEntry, name: string): void {
  const known = secrets.find((use) => use.name === name);
  if (known) known.count += 1;
  else secrets.push({ name, count: 1 });
}

function newEntry({ host, port, asker }: Wanted): LedgerEntry {
  return {
    at: new Date().toISOString(),
    process: asker.process ?? null,
    pid: asker.pid ?? null,
    command: asker.label ?? null,
    host,
    port,
    address: null,
    ...inLedger({ verdict: "allowed" }),
    sentBytes: 0,
    receivedBytes: 0,
    durationMs: 0,
    isOpen: true,
    secrets: [],
  };
}

function inLedger(verdict: Verdict): Pick<LedgerEntry, "verdict" | "reason" | "howToAllow"> {
  const { verdict: what } = verdict;
  if (what === "denied") return { verdict: what, reason: verdict.rule, howToAllow: verdict.howToAllow };
  return { verdict: what, reason: what === "failed" ? verdict.reason : null, howToAllow: null };
}
