import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, isIP, type Socket } from "node:net";
import { messageOf } from "../core/errors.ts";
import { hostAndPort } from "./host-port.ts";

/** Limit for a connection to the outside, over all addresses that are tried */
const dialTimeoutMs = 15_000;
/** RFC 8305 has 250 ms between two addresses */
const nextAddressMs = 250;
const keepAliveMs = 60_000;

/** Something outside that a guest's connection is for. */
export interface Destination {
  /** Name, or literal address */
  readonly host: string;
  readonly port: number;
  /** Addresses that the policy has judged, in the order in which to try them */
  readonly addresses: readonly string[];
}

export type Dialled = { readonly socket: Socket; readonly address: string } | { readonly failure: string };

/** Connects to one of the addresses, and to no other ("happy eyeballs", RFC 8305). */
export async function dial({ host, port, addresses }: Destination, signal: AbortSignal): Promise<Dialled> {
  const socket = connect({
    host,
    port,
    allowHalfOpen: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: nextAddressMs,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    noDelay: true,
    signal,
    // The addresses that were judged, whatever the name means by now.
    lookup: (_name, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      ),
  });
  return settled(socket);
}

async function settled(socket: Socket): Promise<Dialled> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(new Error("it did not answer in time")), dialTimeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve({ socket, address: socket.remoteAddress ?? "" });
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      resolve({ failure: failureOf(error) });
    });
  });
}

/** Errors of several addresses have the last one's reason. */
function failureOf(error: unknown): string {
  if (error instanceof AggregateError) return failureOf(error.errors.at(-1) ?? error.message);
  return messageOf(error);
}

/** The host's way out: an HTTP proxy and the names that it is not for. */
export interface HostProxy {
  /** `http:` or `https:`, with a user and a password if it wants them */
  readonly url: string;
}

/**
 * Connects through the host's proxy, by name: the proxy resolves it, and may know names that the
 * host does not.
 */
export async function dialThroughProxy(
  { host, port }: Pick<Destination, "host" | "port">,
  proxy: HostProxy,
  signal: AbortSignal,
): Promise<Dialled> {
  const url = new URL(proxy.url);
  const target = hostAndPort(host, port);
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization =
    credentials === ":" ? {} : { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const connecting = request({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? undefined : url.port,
      method: "CONNECT",
      path: target,
      headers: { host: target, ...authorization },
      timeout: dialTimeoutMs,
      agent: false,
      signal,
    });
    connecting.once("connect", ({ statusCode = 0, statusMessage = "" }, socket: Socket, head) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        resolve({ failure: `the proxy answered ${statusCode} ${statusMessage}`.trim() });
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve({ socket, address: url.host });
    });
    connecting.once("timeout", () => connecting.destroy(new Error("the proxy did not answer in time")));
    connecting.once("error", (error) => resolve({ failure: `the proxy: ${failureOf(error)}` }));
    connecting.end();
  });
}
