export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Ranges, in no order; they may overlap. */
export type Ports = readonly PortRange[];

export const maxPort = 65_535;
export const allPorts: Ports = [{ from: 1, to: maxPort }];
/** What an allowed host is open on if its rule names no port: HTTP and HTTPS */
export const webPorts: Ports = onlyPorts(80, 443);
/** What the public internet is open on without a list: HTTP, HTTPS, SSH and Git */
export const publicPorts: Ports = onlyPorts(80, 443, 22, 9418);

export function onlyPorts(...ports: readonly number[]): Ports {
  return ports.map((port) => ({ from: port, to: port }));
}

export function includesPort(ports: Ports, port: number): boolean {
  return ports.some(({ from, to }) => from <= port && port <= to);
}

/** What is left of some ports without others. */
function withoutPorts(ports: Ports, taken: Ports): Ports {
  return taken.reduce<Ports>(
    (left, { from, to }) =>
      left.flatMap((range) =>
        [
          { from: range.from, to: Math.min(range.to, from - 1) },
          { from: Math.max(range.from, to + 1), to: range.to },
        ].filter((part) => part.from <= part.to),
      ),
    ports,
  );
}

export function containsPorts(outer: Ports, inner: Ports): boolean {
  return withoutPorts(inner, outer).length === 0;
}

export function overlap(one: Ports, other: Ports): boolean {
  return one.some((a) => other.some((b) => a.from <= b.to && b.from <= a.to));
}
