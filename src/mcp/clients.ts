/** A client's limits for a tool call and its result, and how it handles prompts. */
export interface ClientTraits {
  /** Time after which a call is answered before its end */
  readonly patienceMs: number;
  /** Limit for a result, as JSON or as text */
  readonly maxResultChars: number;
  /** Limit for a result as text */
  readonly maxResultLines: number;
  /** Whether text after a prompt's name arrives as its argument */
  readonly takesPromptArguments: boolean;
  /** The form of a result that its model sees. The other one needs no more than an excerpt */
  readonly shows: ResultForm;
}

export type ResultForm = "structured" | "text" | "either";

/** Traits of an unknown client. The usual time limit for a request is a minute */
const unknownClient: ClientTraits = {
  patienceMs: 50_000,
  maxResultChars: 24_000,
  maxResultLines: 2_000,
  takesPromptArguments: true,
  shows: "either",
};

/** Measured with the versions of November 2026 */
const knownClients: Readonly<Record<string, Partial<ClientTraits>>> = {
  // It waits longer than that. Of a result over 50,000 characters its model sees the first 2 KB. It
  // splits the text after a prompt's name at spaces, one word for each argument, and drops the
  // rest. A prompt without arguments gets all of the text.
  "claude-code": {
    shows: "structured",
    patienceMs: 285_000,
    maxResultChars: 40_000,
    takesPromptArguments: false,
  },
  // It gives up after 300 s, and cuts the middle out of a result over some 12,000 characters.
  "codex-mcp-client": { shows: "structured", patienceMs: 285_000, maxResultChars: 10_000 },
  // It waits as long as it gets progress. It keeps the first 50 KB and the first 2,000 lines.
  opencode: { shows: "text", patienceMs: 285_000, maxResultChars: 40_000, maxResultLines: 1_900 },
};

export function traitsOf(clientName: string | undefined): ClientTraits {
  const known = knownClients[clientName ?? ""];
  return known ? { ...unknownClient, ...known } : unknownClient;
}
