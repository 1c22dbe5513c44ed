import type { Duplex } from "node:stream";
import { type FirstWords, mayBecomeKnown, readFirstWords } from "./server-name/first-words.ts";

/** What a client has said first. */
export interface Heard {
  readonly words: FirstWords;
  /** All bytes that were taken from the client, of which none is passed on yet */
  readonly bytes: Buffer;
}

/** A client that has said a word, which is no method of HTTP, and no more, waits for an answer */
const quietMs = 250;

interface HearOptions {
  /** Limit for the wait; default: none */
  readonly timeoutMs?: number;
  /** Whether the server has said something already, as none of TLS or HTTP does */
  readonly hasServerSpoken?: () => boolean;
}

/** Reads what a client says first. */
export async function hearFirstWords(
  client: Duplex,
  { timeoutMs, hasServerSpoken = () => false }: HearOptions = {},
): Promise<Heard> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let turn: NodeJS.Immediate | undefined;
    let quiet: NodeJS.Timeout | undefined;
    let isServerFirst = false;
    const finish = (words: FirstWords) => {
      clearTimeout(timer);
      clearImmediate(turn);
      clearTimeout(quiet);
      client.off("data", onData);
      client.off("end", onEnd);
      client.off("close", onClose);
      client.pause();
      resolve({ words, bytes: Buffer.concat(pieces) });
    };
    const look = (isEnd: boolean) => {
      turn = undefined;
      const bytes = Buffer.concat(pieces.splice(0));
      pieces.push(bytes);
      clearTimeout(quiet);
      const words: FirstWords = isServerFirst ? { kind: "other" } : readFirstWords(bytes, isEnd);
      if (isEnd || words.kind !== "incomplete") finish(words);
      else if (!mayBecomeKnown(bytes)) quiet = setTimeout(() => finish({ kind: "other" }), quietMs);
    };
    const onData = (piece: Buffer) => {
      if (pieces.length === 0) isServerFirst = hasServerSpoken();
      pieces.push(piece);
      // Once for all that has come, or a client could make the host read the same bytes for ever.
      turn ??= setImmediate(look, false);
    };
    const onEnd = () => look(true);
    // Nothing of a client that has gone is passed on.
    const onClose = () => finish({ kind: "other" });
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => look(true), timeoutMs);
    if (client.destroyed) return onClose();
    client.on("data", onData);
    client.once("end", onEnd);
    client.once("close", onClose);
  });
}
