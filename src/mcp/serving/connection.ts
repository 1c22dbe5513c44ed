import { setTimeout as sleep } from "node:timers/promises";
import type { Transport } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { ToolCalls } from "../calls.ts";
import { createServer, type ServerSetup } from "../server.ts";

/** Clients kill a server some hundred milliseconds after asking it to end */
const endMs = 300;

/** One client that is served. */
export interface ClientConnection {
  /** Resolves when the client has gone, or the connection was closed */
  readonly closed: Promise<void>;
  /** Cancels the calls that run, and closes the transport */
  close(): Promise<void>;
}

/**
 * Serves a client on a transport, in the era of the protocol that it opens with. The name of the
 * SDK's function is about its default transport.
 */
export function serveClient(
  setup: ServerSetup,
  transport: Transport,
  onError: (error: Error) => void,
): ClientConnection {
  const begun: ToolCalls[] = [];
  const connection = serveStdio(
    ({ era }) => {
      const { server, calls } = createServer({ ...setup, era });
      begun.push(calls);
      return server;
    },
    { transport, onerror: onError },
  );
  const closed = new Promise<void>((resolve) => {
    const { onclose } = transport;
    transport.onclose = () => {
      onclose?.();
      resolve();
    };
  });
  return {
    closed,
    async close() {
      await Promise.all(begun.map((calls) => calls.end(endMs)));
      const waiting = new AbortController();
      // A transport may be one whose other end no longer answers.
      const late = sleep(endMs, undefined, { signal: waiting.signal }).catch(() => {});
      await Promise.race([connection.close(), late]).finally(() => waiting.abort());
    },
  };
}
