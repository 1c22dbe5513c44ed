import type { Duplex } from "node:stream";
import { type FirstWords, maxFirstWordsBytes, readFirstWords } from "./server-name/first-words.ts";

/**
 * Reads what a client says first, and leaves it to be read again. Without a limit it waits for as
 * long as the client is silent.
 */
export async function firstWordsOf(client: Duplex, timeoutMs?: number): Promise<FirstWords> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    const finish = (words: FirstWords) => {
      clearTimeout(timer);
      client.off("data", onData);
      client.off("end", onEnd);
      client.off("close", onEnd);
      client.pause();
      if (pieces.length > 0 && !client.readableEnded) client.unshift(Buffer.concat(pieces));
      resolve(words);
    };
    const onData = (piece: Buffer) => {
      pieces.push(piece);
      const words = readFirstWords(Buffer.concat(pieces));
      const isLong = pieces.reduce((sum, { length }) => sum + length, 0) >= maxFirstWordsBytes;
      if (words.kind !== "incomplete" || isLong) finish(words);
    };
    const onEnd = () => finish({ kind: "other" });
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => finish({ kind: "incomplete" }), timeoutMs);
    client.on("data", onData);
    client.once("end", onEnd);
    client.once("close", onEnd);
  });
}
