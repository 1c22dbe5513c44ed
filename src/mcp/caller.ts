import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { type ClientTraits, traitsOf } from "./clients.ts";

/** A client answers at once what its user has opened, or not at all */
const rootsTimeoutMs = 10_000;

type Roots = readonly { readonly uri: string }[];

/** What is known of the client that makes a call. */
export interface Caller {
  readonly traits: ClientTraits;
  /** Whether it can say what its user has opened */
  readonly hasRoots: boolean;
  /**
   * Asks it for them, in the era in which a server can; in the other one the client asks again with
   * the answer
   */
  readonly listRoots?: () => Promise<Roots>;
}

export interface CallerSetup {
  /** Stands in for what is known of the client's patience */
  readonly patienceMs?: number | undefined;
  /** Which protocol the client speaks; the newer one has no requests from server to client */
  readonly era?: "legacy" | "modern";
}

/**
 * In the newer era a client says who it is with every request, in the older one at the beginning.
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

/** A client that says that it has roots, and then does not tell them, has none. */
async function listRoots(server: Server): Promise<Roots> {
  try {
    return (await server.listRoots(undefined, { timeout: rootsTimeoutMs })).roots;
  } catch {
    return [];
  }
}
