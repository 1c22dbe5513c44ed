import { hostAndPort } from "../network/host-port.ts";
import type { NetworkUse } from "../network/use.ts";

/** Entries of each kind that a text shows */
const maxShown = 8;

/**
 * What a command did in the network, as lines for people and models: first what was denied and how
 * to allow it. Nothing if everything was reached.
 */
export function networkLines(use: NetworkUse, sayLeave = (flags: string) => flags): string[] {
  const { denied, failed } = use ?? { denied: [], failed: [] };
  const lines = [
    ...denied.map(({ host, port, process, count, rule, howToAllow }) => {
      const leave = howToAllow === "" ? "" : `; to allow it: ${sayLeave(howToAllow)}`;
      return `denied ${place(host, port)}${by(process, count)}: ${rule}${leave}`;
    }),
    ...failed.map(
      ({ host, port, process, count, reason }) => `not reached: ${place(host, port)}${by(process, count)}: ${reason}`,
    ),
  ];
  const more = lines.length - maxShown;
  return [...lines.slice(0, maxShown), ...(more > 0 ? [`and ${more} more`] : [])];
}

function place(host: string, port: number | null): string {
  const shown = host.replaceAll(/[^\x21-\x7e]/g, "?");
  return port === null ? shown : hostAndPort(shown, port);
}

function by(process: string | null, count: number): string {
  const parts = [
    ...(process === null ? [] : [process.replaceAll(/[^\x20-\x7e]/g, "?")]),
    ...(count > 1 ? [`${count} times`] : []),
  ];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}
