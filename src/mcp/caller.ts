import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { type ClientTraits, traitsOf } from "./clients.ts";

/** A client answers at once, or not at all */
const rootsTimeoutMs = 10_000;

type Roots = readonly { readonly uri: string }[];

/** The client that makes a call, as far as the server knows it. */
export interface Caller {
  readonly traits: ClientTraits;
  /** Whether it can name the folders that its user has opened */
  readonly hasRoots: boolean;
  /** Asks for them in the legacy era. In the modern era the client calls again with the answer */
  readonly listRoots?: () => Promise<Roots>;
}

export interface CallerSetup {
  /** Overrides the client's patience */
  readonly patienceMs?: number | undefined;
  /** Era of the client's protocol. The modern one has no requests from server to client */
  readonly era?: "legacy" | "modern";
}

/**
 * Identifies the client. In the modern era it names itself with every request, in the legacy era at
 * the beginning.
 */
export function callerOf(
  server: Server,
  { mcpReq }: ServerContext,
  { patienceMs, era = "legacy" }: CallerSetup,
): Caller {
  const envelope = mcpReq.envelope as Readonly<Record<string, unknown>> | undefined;
  const client = (envelope?.[CLIENT_INFO_META_KEY] ?? server.getClientVersion()) as { name?: string } | undefined;
  const capabilities = (envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities()) as
    | { roots?: unknown }
    | undefined;
  const traits = traitsOf(client?.name);
  return {
    traits: patienceMs === undefined ? traits : { ...traits, patienceMs },
    hasRoots: capabilities?.roots !== undefined,
    ...(era === "legacy" ? { listRoots: () => listRoots(server) } : {}),
  };
}

/** A client that declares roots and does not list them has none. */
async function listRoots(server: Server): Promise<Roots> {
  try {
    return (await server.listRoots(undefined, { timeout: rootsTimeoutMs })).roots;
  } catch {
    return [];
  }
}
