import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, rootCertificates, type SecureContext, type TLSSocket } from "node:tls";
import { reset, type Traffic } from "../joint.ts";
import type { Denial } from "../refuse.ts";
import { readOfferedProtocols } from "../server-name/client-hello.ts";
import type { TlsWords } from "../server-name/first-words.ts";
import { belongsTo } from "../server-name/name.ts";
import type { Verdict } from "../use.ts";
import type { Authority } from "./authority.ts";
import { type BrokerEvents, Conversation } from "./conversation.ts";
import { Echoes } from "./echoes.ts";
import { GuestEnd } from "./guest-end.ts";
import { Http1Relay } from "./http1.ts";
import { Http2Relay } from "./http2.ts";
import { PlainWatch, type Watch } from "./plain-watch.ts";
import { type BrokeredSecret, domainsOf, isFor, type KnownSecret, knownSecret, type Place } from "./secret.ts";
import { type Accepted, acceptGuest, knownProtocols, type Protocol, type Refusal, secureOutside } from "./tls.ts";

/** A client that pins its certificate ends the connection in this time, and asks for nothing */
const pinnedMs = 5_000;
/** Time for a client to ask, and to read why it cannot have an answer */
const tellFailureMs = 10_000;
/** Why a client and the certificate that it gets do not go together */
const refusals: Readonly<Record<Refusal, string>> = {
  said:
    "the client does not accept the certificate of pyro, which puts secrets in here: it does not use the " +
    "workspace's authorities, or pins the server's certificate",
  left:
    "the client left without a request when it had the certificate of pyro, which puts secrets in here: perhaps " +
    "it pins the server's certificate",
};

export interface BrokerOptions {
  readonly secrets: readonly BrokeredSecret[];
  /** Authorities in PEM that servers may have, beside those that every browser knows */
  readonly authorities?: readonly string[];
}

/** What came of a connection, and how the guest is told if it can be. */
export type BrokerVerdict = Verdict & { readonly tell?: () => Promise<void> };

/** A connection whose client has said its hello, and whose server is connected. */
export interface BrokeredConnection {
  readonly place: Place;
  readonly guest: Duplex;
  /** The hello, which no one has got yet */
  readonly said: Buffer;
  readonly outside: Socket;
  readonly traffic: Traffic;
  readonly events: BrokerEvents & {
    /** TLS stands on both sides */
    onOpen(): void;
  };
}

/**
 * Puts the values of secrets into requests of one workspace's guest, which has placeholders. It
 * ends TLS for the hosts that a secret names, with certificates of an authority of its own.
 */
export class Broker {
  readonly #secrets: readonly KnownSecret[];
  readonly #authority: Authority;
  readonly #trust: SecureContext;
  readonly #echoes = new Echoes();

  private constructor(secrets: readonly KnownSecret[], authority: Authority, authorities: readonly string[]) {
    this.#secrets = secrets;
    this.#authority = authority;
    // Once, because it takes 80 ms to read so many certificates.
    this.#trust = createSecureContext({ ca: [...rootCertificates, ...authorities] });
  }

  /** Throws `invalid_argument` if a host of a secret is none. */
  static async open({ secrets, authorities = [] }: BrokerOptions): Promise<Broker> {
    const known = secrets.map(knownSecret);
    // The library for certificates takes 50 ms to load, which workspaces without secrets save.
    const { Authority: OwnAuthority } = await import("./authority.ts");
    return new Broker(known, new OwnAuthority(domainsOf(known)), authorities);
  }

  /** The certificate, in PEM, that the guest has to trust. */
  get authorityPem(): string {
    return this.#authority.pem;
  }

  /** Whether TLS with a host is ended here. */
  covers(place: Place): boolean {
    return this.#secrets.some((secret) => isFor(secret, place));
  }

  /** Why a TLS connection to a covered host is not one; undefined if all names agree. */
  denialOf({ host }: Place, { serverName }: TlsWords): Denial | undefined {
    if (belongsTo(serverName, host)) return undefined;
    return { rule: `secrets are put in for ${host}, and the TLS server name does not say it`, howToAllow: "" };
  }

  /** Looks at what a guest sends in plain HTTP. */
  watchPlain(): Watch {
    const watch = new PlainWatch(this.#secrets);
    return (piece) => {
      const name = watch.look(piece);
      return name === undefined ? undefined : { rule: `secret '${name}' is not sent without TLS`, howToAllow: "" };
    };
  }

  /** Carries a connection to its end, unless it comes to nothing. */
  async carry(connection: BrokeredConnection): Promise<BrokerVerdict> {
    const { place, guest, said, outside, events } = connection;
    const offered = knownProtocols(readOfferedProtocols(said));
    const [preferred] = offered;
    if (preferred === undefined) {
      reset(outside);
      return { verdict: "denied", rule: `secrets are put in for ${place.host}, and into HTTP alone`, howToAllow: "" };
    }
    const secured = await secureOutside(outside, { host: place.host, offered, trust: this.#trust });
    if ("failure" in secured) {
      outside.destroy();
      const reason = `its TLS failed: ${secured.failure}`;
      return { verdict: "failed", reason, tell: () => this.#tellFailure(connection, preferred, reason) };
    }
    const { socket: server, protocol } = secured;
    try {
      if (guest.destroyed) return { verdict: "failed", reason: "it was given up before its TLS stood" };
      const accepted = await this.#accept(connection, protocol);
      if ("failure" in accepted) {
        const { refusal } = accepted;
        if (refusal) return { verdict: "denied", rule: refusals[refusal], howToAllow: "" };
        return { verdict: "failed", reason: `the client's TLS failed: ${accepted.failure}` };
      }
      events.onOpen();
      const conversation = this.#conversation(connection);
      const hasLeft = await converse(accepted.socket, server, { protocol, conversation });
      await closed(guest);
      return hasLeft ? { verdict: "denied", rule: refusals.left, howToAllow: "" } : { verdict: "allowed" };
    } finally {
      server.destroy();
      outside.destroy();
    }
  }

  #accept({ place, guest, said, traffic }: BrokeredConnection, protocol: Protocol): Promise<Accepted> {
    return acceptGuest(new GuestEnd(guest, said, traffic), this.#authority.contextFor(place.host), protocol);
  }

  #conversation({ place, events }: BrokeredConnection, failure?: string): Conversation {
    return new Conversation({ place, secrets: this.#secrets, echoes: this.#echoes, events, failure });
  }

  /** Answers the guest's requests with what keeps them from the server. */
  async #tellFailure(connection: BrokeredConnection, protocol: Protocol, failure: string): Promise<void> {
    const accepted = await this.#accept(connection, protocol);
    if ("failure" in accepted) return;
    setTimeout(() => accepted.socket.destroy(), tellFailureMs).unref();
    await converse(accepted.socket, undefined, { protocol, conversation: this.#conversation(connection, failure) });
    await closed(connection.guest);
  }
}

interface Talk {
  readonly protocol: Protocol;
  readonly conversation: Conversation;
}

/** Resolves when the guest has ended; to true if it did so at once, with nothing said. */
async function converse(guest: TLSSocket, server: TLSSocket | undefined, talk: Talk): Promise<boolean> {
  const { protocol, conversation } = talk;
  const startedMs = performance.now();
  let isOver = false;
  guest.once("close", () => {
    isOver = server?.destroyed ?? true;
  });
  guest.on("error", () => {});
  if (protocol === "h2") new Http2Relay(guest, server, conversation);
  else new Http1Relay(guest, server, conversation);
  await closed(guest);
  const isQuick = performance.now() - startedMs < pinnedMs;
  return isQuick && !isOver && conversation.requestCount === 0;
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => void stream.once("close", () => resolve()));
}
