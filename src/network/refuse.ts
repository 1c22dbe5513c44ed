import { once } from "node:events";
import type { Duplex } from "node:stream";
import { endsWithin } from "../core/deadline.ts";
import { hearFirstWords } from "./first-words.ts";
import type { FirstWords } from "./server-name/first-words.ts";
import { forbiddenResponse } from "./server-name/forbidden-response.ts";

/**
 * A client that speaks first has done so in this time, unless the host is busy. A denied connection
 * is reset after it at the latest
 */
const deniedWordsMs = 150;
/** On the port of HTTP every client speaks first, and is to be told */
const deniedHttpWordsMs = 2_000;
const httpPort = 80;
/** Time for a client to read that it is denied */
const answerReadMs = 2_000;

/** What denies something, and the flags that allow it; empty if there is no way. */
export interface Denial {
  readonly rule: string;
  readonly howToAllow: string;
}

/** Ends a denied connection, which is reset next. A client that speaks HTTP is told why. */
export async function refuse(
  guest: Duplex,
  { host, port }: { readonly host: string; readonly port: number },
  { rule, howToAllow, words }: Denial & { readonly words?: FirstWords },
): Promise<void> {
  const timeoutMs = port === httpPort ? deniedHttpWordsMs : deniedWordsMs;
  const { kind } = words ?? (await hearFirstWords(guest, { timeoutMs })).words;
  if (kind !== "http") return;
  guest.resume();
  guest.end(forbiddenResponse({ host, port, rule, howToAllow }));
  // A reset would overtake the answer, so the client closes first.
  await endsWithin(
    once(guest, "close").catch(() => {}),
    answerReadMs,
  );
}
