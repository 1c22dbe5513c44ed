import type { Duplex } from "node:stream";
import { type FirstWords, readFirstWords } from "./server-name/first-words.ts";

/** What a client has said first. */
export interface Heard {
  readonly words: FirstWords;
  /** All bytes that were taken from the client, of which none is passed on yet */
  readonly bytes: Buffer;
}

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
    let isServerFirst = false;
    const finish = (words: FirstWords) => {
      clearTimeout(timer);
      clearImmediate(turn);
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
      const words: FirstWords = isServerFirst ? { kind: "other" } : readFirstWords(bytes, isEnd);
      if (isEnd || words.kind !== "incomplete") finish(words);
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
    client.on("data", onData);
    client.once("end", onEnd);
    client.once("close", onClose);
  });
}
