import type http2 from "node:http2";
import type * as z from "zod";
import { type ErrorCode, messageOf, PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { fromWire } from "../core/wire-case.ts";
import { displayPath } from "../tree/name.ts";
import { agentErrorSchema } from "./messages.ts";
import { parseTarget } from "./tree/decode.ts";

const maxReplyLength = 1 << 20;

/** The agent speaks another major version of the protocol, so only another agent can help. */
export class ProtocolMismatchError extends PyroError {
  constructor(reason: string) {
    super("failed_precondition", `cannot talk to the guest agent: ${reason}`, {
      hint: hint`${toRun("prepare", { force: true })} to rebuild the template with this version's agent.`,
    });
  }
}

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

export function parseReply<S extends z.ZodType>(path: string, schema: S | undefined, body: string): z.output<S> {
  if (!schema) return undefined as z.output<S>;
  // The headers can arrive before the machine dies, and no error follows them.
  if (body === "") throw new Error("the connection ended before the answer");
  try {
    return fromWire(schema, JSON.parse(body));
  } catch (error) {
    throw new PyroError("internal", `the guest agent's answer to ${path} makes no sense: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export function agentRefusal(path: string, status: number, body: string): PyroError {
  const { code, message: reason, target } = parseError(body) ?? { code: "", message: `status ${status}` };
  if (status === 426) return new ProtocolMismatchError(reason);
  const meaning = refusals[code];
  if (meaning) {
    return new PyroError(meaning, reason, {
      ...(meaning === "resource_exhausted" ? { hint: fullGuestHint } : {}),
      ...(target ? { details: { linkTarget: displayPath(target) } } : {}),
    });
  }
  return new PyroError("internal", `the guest agent refused ${path}: ${reason}`, { details: { status } });
}

/** The agent's error; undefined if it is none, so that only the status describes it. */
function parseError(body: string): { code: string; message: string; target?: Buffer } | undefined {
  try {
    const { code, message, target, targetBase64 } = fromWire(agentErrorSchema, JSON.parse(body)).error;
    return { code, message, ...parseTarget(target, targetBase64) };
  } catch {
    return undefined;
  }
}

const fullGuestHint = "Remove files from the workspace, or reset it.";

/** Refusals that the caller can act on, by the agent's code. The others are faults of pyro. */
const refusals: Readonly<Record<string, ErrorCode>> = {
  conflict: "failed_precondition",
  failed_precondition: "failed_precondition",
  not_found: "not_found",
  no_space: "resource_exhausted",
};
