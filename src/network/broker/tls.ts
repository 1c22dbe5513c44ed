import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer, type SecureContext, connect as startTls, type TLSSocket } from "node:tls";
import { messageOf, systemErrorCode } from "../../core/errors.ts";

/** Limit for a handshake, on either side */
const handshakeTimeoutMs = 15_000;

/** What is spoken inside TLS */
export type Protocol = "h2" | "http/1.1";
const protocols: readonly string[] = ["h2", "http/1.1"] satisfies readonly Protocol[];

/** Alerts of a client that does not take a certificate (RFC 8446, section 6.2) */
const refusals = /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/;

/** The protocols of an offer that can be brokered. A client that offers none speaks HTTP/1. */
export function knownProtocols(offered: readonly string[]): readonly Protocol[] {
  if (offered.length === 0) return ["http/1.1"];
  return offered.filter((name): name is Protocol => protocols.includes(name));
}

interface OutsideOptions {
  readonly host: string;
  readonly offered: readonly Protocol[];
  /** The authorities that are trusted */
  readonly trust: SecureContext;
}

export type Secured = { readonly socket: TLSSocket; readonly protocol: Protocol } | { readonly failure: string };

/** Begins TLS with a server, whose certificate must be good for the host. */
export async function secureOutside(socket: Socket, { host, offered, trust }: OutsideOptions): Promise<Secured> {
  const secured = startTls({ socket, servername: host, ALPNProtocols: [...offered], secureContext: trust });
  // The end of one direction of TLS is the end of both, other than that of the socket below.
  secured.allowHalfOpen = false;
  return new Promise((resolve) => {
    const timer = setTimeout(() => secured.destroy(new Error("its handshake took too long")), handshakeTimeoutMs);
    secured.once("secureConnect", () => {
      clearTimeout(timer);
      resolve({ socket: secured, protocol: secured.alpnProtocol === "h2" ? "h2" : "http/1.1" });
    });
    secured.on("error", (error) => resolve({ failure: messageOf(error) }));
    secured.once("close", () => {
      clearTimeout(timer);
      resolve({ failure: "it closed the connection" });
    });
  });
}

export type Accepted = { readonly socket: TLSSocket } | { readonly failure: string; readonly refusal?: Refusal };

/** What a client does that does not take a certificate: it says so, or it leaves without a word. */
export type Refusal = "said" | "left";

/** Begins TLS with a guest, as the server that it wants. */
export async function acceptGuest(guest: Duplex, context: SecureContext, protocol: Protocol): Promise<Accepted> {
  const server = createServer({
    SNICallback: (_name, done) => done(null, context),
    ALPNProtocols: [protocol],
    handshakeTimeout: handshakeTimeoutMs,
  });
  return new Promise((resolve) => {
    server.once("secureConnection", (socket) => {
      socket.allowHalfOpen = false;
      resolve({ socket });
    });
    server.once("tlsClientError", (error) => {
      const code = systemErrorCode(error) ?? "";
      const failure = messageOf(error);
      if (refusals.test(code)) resolve({ failure, refusal: "said" });
      else if (code === "ECONNRESET" || code === "EPIPE") resolve({ failure, refusal: "left" });
      else resolve({ failure });
    });
    // TLS over a stream that is no socket does not tell of an end before it stands.
    guest.once("end", () => resolve({ failure: "it has left", refusal: "left" }));
    guest.once("close", () => resolve({ failure: "it has left", refusal: "left" }));
    server.emit("connection", guest);
  });
}
