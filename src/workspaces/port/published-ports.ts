import { createServer, type Server, type Socket } from "node:net";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import type { AgentClient } from "../../guest/agent.ts";
import { userOfPeer } from "../../host/peer-user.ts";
import { Joint, reset } from "../../network/joint.ts";
import type { PublishedPort } from "../record/port.ts";

/** Ports are for the user of this host, so only programs on it reach them */
const publishHost = "127.0.0.1";
/** Connections that may be open at once, over all ports */
const maxOpen = 256;
const rootUser = 0;

/** A published port and what has come of it. */
export interface PortState extends PublishedPort {
  /** Why nothing listens on the host's port; null if it listens */
  readonly problem: string | null;
  readonly connectionCount: number;
  readonly openCount: number;
  /** The last connection that did not come about */
  readonly lastRefusal: { readonly at: string; readonly reason: string } | null;
}

interface Listening {
  port: PublishedPort;
  /** The service with which it was published; undefined: by itself */
  serviceName: string | undefined;
  server: Server | undefined;
  problem: string | null;
  connectionCount: number;
  readonly sockets: Set<Socket>;
  lastRefusal: PortState["lastRefusal"];
}

/** The ports of this host that lead into one workspace. */
export class PublishedPorts {
  readonly #ports = new Map<number, Listening>();
  readonly #agent: () => Promise<AgentClient>;
  readonly #uid: number;

  /** `agent` gives that of the machine that the workspace has now. */
  constructor(agent: () => Promise<AgentClient>, uid: number) {
    this.#agent = agent;
    this.#uid = uid;
  }

  get states(): readonly PortState[] {
    return [...this.#ports.values()].map(({ port, problem, connectionCount, sockets, lastRefusal }) => ({
      ...port,
      problem,
      connectionCount,
      openCount: sockets.size,
      lastRefusal,
    }));
  }

  /**
   * Listens for a port of the guest. Without a port of the host it takes the guest's number, or one
   * that is free.
   */
  async publish(guestPort: number, hostPort: number | undefined, serviceName?: string): Promise<PublishedPort> {
    if (this.#ports.has(guestPort)) {
      throw new PyroError("already_exists", `cannot publish port ${guestPort}: it is published already`);
    }
    if (hostPort !== undefined) return this.#listen({ guestPort, hostPort }, serviceName);
    try {
      return await this.#listen({ guestPort, hostPort: guestPort }, serviceName);
    } catch (error) {
      const { code, details } = PyroError.from(error);
      // A low port may be for root alone.
      if (code !== "port_in_use" && details?.["reason"] !== "EACCES") throw error;
      return this.#listen({ guestPort, hostPort: 0 }, serviceName);
    }
  }

  /** Publishes again what was published before; what cannot be is known by its problem. */
  async restore(ports: readonly PublishedPort[]): Promise<void> {
    for (const port of ports) {
      await this.#listen(port).catch((error: unknown) => {
        this.#ports.set(port.guestPort, { ...newListening(port), problem: messageOf(error) });
      });
    }
  }

  /** The service with which a port was published; undefined: none, or it is not published */
  serviceOf(guestPort: number): string | undefined {
    return this.#ports.get(guestPort)?.serviceName;
  }

  /** Closes the ports that were published with a service. */
  async closeThoseOf(serviceName: string): Promise<void> {
    const theirs = [...this.#ports].filter(([, listening]) => listening.serviceName === serviceName);
    await Promise.all(theirs.map(([guestPort]) => this.close(guestPort)));
  }

  /** Whether the port was published. Its connections are reset. */
  async close(guestPort: number): Promise<boolean> {
    const listening = this.#ports.get(guestPort);
    this.#ports.delete(guestPort);
    if (!listening) return false;
    for (const socket of listening.sockets) reset(socket);
    const { server } = listening;
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    return true;
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#ports.keys()].map((guestPort) => this.close(guestPort)));
  }

  async #listen(wanted: PublishedPort, serviceName?: string): Promise<PublishedPort> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: publishHost, port: wanted.hostPort }, resolve);
    }).catch((error: unknown) => {
      const reason = systemErrorCode(error);
      const isInUse = reason === "EADDRINUSE";
      const code = isInUse ? "port_in_use" : "failed_precondition";
      const why = isInUse ? "it is in use" : messageOf(error);
      throw new PyroError(code, `cannot publish on port ${wanted.hostPort} of this host: ${why}`, {
        hint: "Choose another port, or none to get a free one.",
        details: { reason, hostPort: wanted.hostPort },
      });
    });
    const address = server.address();
    const hostPort = typeof address === "object" && address ? address.port : wanted.hostPort;
    const port = { guestPort: wanted.guestPort, hostPort };
    const listening: Listening = { ...newListening(port), serviceName, server };
    this.#ports.set(port.guestPort, listening);
    server.on("connection", (socket) => void this.#carry(listening, socket));
    return port;
  }

  async #carry(listening: Listening, socket: Socket): Promise<void> {
    listening.connectionCount += 1;
    listening.sockets.add(socket);
    socket.on("error", () => {
      // It closes next.
    });
    socket.once("close", () => listening.sockets.delete(socket));
    const refuse = (reason: string) => {
      listening.lastRefusal = { at: new Date().toISOString(), reason };
      reset(socket);
    };
    try {
      if (this.#openCount > maxOpen) return refuse(`${maxOpen} connections are open, which is the limit`);
      const user = await userOfPeer(socket);
      // Every user of a host can connect to its loopback address.
      if (user === undefined) return refuse("its process has gone, or cannot be known");
      if (user !== this.#uid && user !== rootUser) return refuse("it came from another user of this host");
      const agent = await this.#agent();
      if (socket.destroyed) return;
      const guest = agent.connectToPort(listening.port.guestPort);
      guest.once("error", (error) => {
        if (!guest.isConnected) refuse(messageOf(error));
      });
      const joint = new Joint(guest, socket, { sentBytes: 0, receivedBytes: 0 });
      joint.sendOut();
    } catch (error) {
      refuse(messageOf(error));
    }
  }

  get #openCount(): number {
    return [...this.#ports.values()].reduce((sum, { sockets }) => sum + sockets.size, 0);
  }
}

function newListening(port: PublishedPort): Listening {
  return {
    port,
    serviceName: undefined,
    server: undefined,
    problem: null,
    connectionCount: 0,
    sockets: new Set(),
    lastRefusal: null,
  };
}
