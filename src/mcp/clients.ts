/**
 * What a client lets a tool do before it gives up or cuts off, and what it makes of what it is
 * given.
 */
export interface ClientTraits {
  /** A call that takes longer is answered before its end */
  readonly patienceMs: number;
  /** Of a result, as JSON or as text */
  readonly maxResultChars: number;
  /** Of a result as text */
  readonly maxResultLines: number;
  /** Whether a sentence typed behind a prompt's name arrives as its argument */
  readonly takesPromptArguments: boolean;
}

/** Of clients that we do not know: the usual time limit of a request is a minute. */
const unknownClient: ClientTraits = {
  ...{ patienceMs: 50_000, maxResultChars: 24_000, maxResultLines: 2_000, takesPromptArguments: true },
};

/** As measured with the versions of November 2026. */
const knownClients: Readonly<Record<string, Partial<ClientTraits>>> = {
  // Waits longer than that. Of more than 50,000 characters its model sees the first 2 KB. Splits
  // what is typed behind a prompt's name at spaces, one word for each argument, and drops the rest;
  // a prompt without arguments comes with all that was typed.
  "claude-code": { patienceMs: 285_000, maxResultChars: 40_000, takesPromptArguments: false },
  // Gives up after 300 s, and cuts the middle out of what is longer than some 12,000 characters.
  "codex-mcp-client": { patienceMs: 285_000, maxResultChars: 10_000 },
  // Waits as long as it hears of progress. Keeps the first 50 KB and the first 2,000 lines.
  opencode: { patienceMs: 285_000, maxResultChars: 40_000, maxResultLines: 1_900 },
};

export function traitsOf(clientName: string | undefined): ClientTraits {
  const known = knownClients[clientName ?? ""];
  return known ? { ...unknownClient, ...known } : unknownClient;
}
