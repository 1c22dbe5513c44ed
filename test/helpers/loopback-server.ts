import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** A server on one of this host's loopback addresses, which counts who comes. */
export class LoopbackServer implements AsyncDisposable {
  readonly #server: Server;
  readonly sockets = new Set<Socket>();
  connectionCount = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(
    serve: (socket: Socket) => void,
    { host = "127.0.0.2", port = 0 }: { host?: string; port?: number } = {},
  ): Promise<LoopbackServer> {
    const server = createServer({ allowHalfOpen: true });
    const self = new LoopbackServer(server);
    server.on("connection", (socket) => {
      self.connectionCount += 1;
      self.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => self.sockets.delete(socket));
      serve(socket);
    });
    server.listen({ host, port });
    await once(server, "listening");
    return self;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the server does not listen");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
