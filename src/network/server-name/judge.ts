import { isIP } from "node:net";
import type { FirstWords } from "./first-words.ts";

/** Something that a connection is for. */
export interface Resolved {
  /** Name, or literal address */
  readonly host: string;
  readonly port: number;
}

/**
 * The name that a client gave for its server, if it is not that of the host which the connection is
 * for; undefined if it is, or if the client gave none.
 */
export function foreignName({ host }: Pick<Resolved, "host">, words: FirstWords): string | undefined {
  if (words.kind === "tls") {
    // The real name cannot be seen, and the other one belongs to the service that carries it.
    if (words.isEncrypted || words.serverName === null) return undefined;
    return isSame(words.serverName, host) ? undefined : words.serverName;
  }
  if (words.kind !== "http" || words.host === "") return undefined;
  if (words.host === null) return "none that is clear";
  return isSame(withoutPort(words.host), host) ? undefined : words.host;
}

function isSame(given: string, host: string): boolean {
  return given.toLowerCase().replace(/\.$/, "") === host;
}

/** A host of a Host header, without its port and an IPv6 address's brackets. */
function withoutPort(host: string): string {
  const [, bracketed] = /^\[([^\]]*)\](?::\d*)?$/.exec(host) ?? [];
  return bracketed ?? host.replace(/:\d*$/, "");
}

/** The answer to an HTTP client whose connection is denied. */
export function forbiddenResponse({ host, port }: Resolved, rule: string, howToAllow: string): Buffer {
  const where = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const allow = howToAllow === "" ? "" : ` The user of this workspace can allow it with ${howToAllow}.`;
  const body = Buffer.from(`pyro denied the connection to ${where}: ${rule}.${allow}\n`);
  const head = [
    "HTTP/1.1 403 Forbidden",
    "content-type: text/plain; charset=utf-8",
    `content-length: ${body.length}`,
    "connection: close",
    "cache-control: no-store",
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}
