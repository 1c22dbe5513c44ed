import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";

/** Fields of proc(5)'s table */
const addressField = 1;
const peerField = 2;
const userField = 7;
/** 0 for a socket that no process has any more, whose user is no longer known */
const inodeField = 9;

/**
 * The user of this host whose process is at the other end of a loopback connection over IPv4.
 * undefined: there is none any more, or the kernel does not tell.
 */
export async function userOfPeer({ remoteAddress, remotePort, localPort }: Socket): Promise<number | undefined> {
  // From another address of the loopback network the same port is another socket.
  if (remoteAddress !== "127.0.0.1" || remotePort === undefined || localPort === undefined) return undefined;
  const text = await readFile("/proc/net/tcp", "latin1").catch(() => "");
  return findUser(text, loopback(remotePort), loopback(localPort));
}

/** Finds the socket with two addresses in the text of /proc/net/tcp. */
export function findUser(text: string, address: string, peer: string): number | undefined {
  // A table of many thousands of sockets is searched, not split.
  for (let at = text.indexOf(address); at >= 0; at = text.indexOf(address, at + 1)) {
    const line = text.slice(text.lastIndexOf("\n", at) + 1, text.indexOf("\n", at));
    const fields = line.trim().split(/\s+/);
    if (fields[inodeField] !== "0" && fields[addressField] === address && fields[peerField] === peer)
      return Number(fields[userField]);
  }
  return undefined;
}

/** An address of 127.0.0.1 as proc(5) has it: hexadecimal, in the byte order of the host. */
export function loopback(port: number): string {
  return `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}
