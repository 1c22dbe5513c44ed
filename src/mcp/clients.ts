/** What a client lets a tool do before it gives up or cuts off. */
export interface ClientLimits {
  /** A call that takes longer is answered before its end */
  readonly patienceMs: number;
  /** Of a result, as JSON or as text */
  readonly maxResultChars: number;
}

/**
 * Of clients that we do not know: the usual time limit of a request is a minute. Of those that we know, as measured with their versions of
 * November 2026: Codex gives up after 300 s and keeps some 10 KB of a result; OpenCode waits as long as it hears of progress and keeps 50 KB;
 * Claude Code waits longer than that, and shows only the first 2 KB of more than 50,000 characters.
 */
const unknownClient: ClientLimits = { patienceMs: 50_000, maxResultChars: 24_000 };

const knownClients: Readonly<Record<string, ClientLimits>> = {
  "claude-code": { patienceMs: 285_000, maxResultChars: 40_000 },
  "codex-mcp-client": { patienceMs: 285_000, maxResultChars: 10_000 },
  opencode: { patienceMs: 285_000, maxResultChars: 40_000 },
};

export function limitsOf(clientName: string | undefined): ClientLimits {
  return knownClients[clientName ?? ""] ?? unknownClient;
}
