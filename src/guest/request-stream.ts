import type http2 from "node:http2";
import { withDeadline } from "../core/deadline.ts";
import { PyroError } from "../core/errors.ts";
import { drained } from "./exec.ts";

const maxReplyLength = 1 << 20;
/**
 * Limit for a guest's silence while it reads, writes or copies a tree, which it may have to sync
 * before it answers
 */
export const treeIdleMs = 120_000;

export async function readReply(stream: http2.ClientHttp2Stream): Promise<{ status: number; body: string }> {
  const status = statusOf(stream);
  const body = await bodyOf(stream);
  return { status: await status, body };
}

export function statusOf(stream: http2.ClientHttp2Stream): Promise<number> {
  const status = new Promise<number>((resolve, reject) => {
    stream.once("response", (headers) => resolve(Number(headers[":status"])));
    stream.once("error", reject);
    stream.once("close", () => reject(new Error("the stream closed without an answer")));
  });
  status.catch(() => {
    // A caller that awaits it gets the error. Reading the body can fail first.
  });
  return status;
}

export async function bodyOf(stream: http2.ClientHttp2Stream): Promise<string> {
  stream.setEncoding("utf8");
  let body = "";
  for await (const chunk of stream) {
    body += String(chunk);
    if (body.length > maxReplyLength) throw new PyroError("internal", "the guest agent's answer has no end");
  }
  return body;
}

/** Sends at the pace of the guest. */
export async function sendBytes(stream: http2.ClientHttp2Stream, bytes: AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of bytes) {
    if (stream.destroyed || stream.writableEnded) return;
    if (stream.write(piece)) continue;
    await withDeadline(drained(stream), { timeoutMs: treeIdleMs, waitingFor: "the guest to take what it is sent" });
  }
  stream.end();
}
