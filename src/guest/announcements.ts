import type { ClientHttp2Stream } from "node:http2";
import type * as z from "zod";
import { messageOf, PyroError } from "../core/errors.ts";
import { fromWire, toWire } from "../core/wire-case.ts";
import { announcementType, encodeFrame, framesOf } from "./frames.ts";
import {
  announcementAnswerSchema,
  type Connection,
  connectionSchema,
  type Question,
  questionSchema,
} from "./messages.ts";

/** What decides for the host about everything that a guest wants to reach. */
export interface AnnouncementListener {
  /** Resolves with the address that stands for the name; null: the name does not exist */
  onQuestion(question: Question): Promise<string | null>;
  /** Whether it has taken the connection by its id. Otherwise the guest resets it */
  onConnection(connection: Connection): boolean;
}

/** Questions that wait for the listener. More than this make the guest wait */
const maxUnanswered = 256;

/**
 * Passes a guest's announcements to the listener until the stream ends. Rejects if the guest breaks
 * the protocol.
 */
export async function listenToAnnouncements(stream: ClientHttp2Stream, listener: AnnouncementListener): Promise<void> {
  const unanswered = new Set<Promise<void>>();
  const answer = (type: number, id: number, address: string | null) => {
    if (stream.destroyed) return;
    const text = JSON.stringify(toWire(announcementAnswerSchema, { id, address }));
    stream.write(encodeFrame(type, Buffer.from(text)));
  };
  for await (const { type, payload } of framesOf(stream)) {
    const work = hear(type, payload);
    if (!work) continue;
    const done = work.finally(() => unanswered.delete(done));
    unanswered.add(done);
    if (unanswered.size >= maxUnanswered) await Promise.race(unanswered);
  }

  function hear(type: number, payload: Buffer): Promise<void> | undefined {
    if (type === announcementType.question) {
      const question = parse(questionSchema, payload);
      return listener.onQuestion(question).then(
        (address) => answer(announcementType.answer, question.id, address),
        () => answer(announcementType.answer, question.id, null),
      );
    }
    if (type !== announcementType.connection) return undefined;
    const connection = parse(connectionSchema, payload);
    if (!listener.onConnection(connection)) answer(announcementType.refusal, connection.id, null);
    return undefined;
  }
}

function parse<S extends z.ZodType>(schema: S, payload: Buffer): z.output<S> {
  try {
    return fromWire(schema, JSON.parse(payload.toString("utf8")));
  } catch (error) {
    throw new PyroError("internal", `the guest agent announced something that makes no sense: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
