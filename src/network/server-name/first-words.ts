import { METHODS } from "node:http";
import { readClientHello } from "./client-hello.ts";
import { readRequestHead } from "./request-head.ts";

/**
 * What the first bytes of a client say about the server that they are for.
 *
 * `isAmbiguous` means that servers may read the bytes in different ways: two names, or a form that
 * RFC 8446 or RFC 9112 forbids. The name is then null, and the connection must be denied. A null
 * name that is not ambiguous means that the client gave none, so that nothing disagrees with the
 * name that the guest resolved.
 */
export type FirstWords =
  /** More bytes are needed to tell */
  | { readonly kind: "incomplete" }
  | TlsWords
  | HttpWords
  /** Neither of them: SSH, Git's own protocol, HTTP/2 without TLS (its names are compressed) */
  | { readonly kind: "other" };

export interface TlsWords {
  readonly kind: "tls";
  /** Name as sent, with unprintable bytes escaped */
  readonly serverName: string | null;
  /** Whether a hello may be encrypted in it (RFC 9849); then `serverName` is the outer name */
  readonly isEncrypted: boolean;
  readonly isAmbiguous: boolean;
}

export interface HttpWords {
  readonly kind: "http";
  /** Host field, or authority of the target; as sent, with its port, unprintable bytes escaped */
  readonly host: string | null;
  /** Method as sent, shortened if it is long */
  readonly method: string;
  /** Whether the client takes the server for a proxy: a target with an authority, or CONNECT */
  readonly isProxyForm: boolean;
  readonly isAmbiguous: boolean;
}

/**
 * Limit for what is read of a client, in bytes. A hello with large post-quantum keys has a few KiB.
 * Few servers accept a head this long. A longer one is ambiguous rather than of another kind, or
 * padding would get a name past the check.
 */
export const maxFirstWordsBytes = 64 * 1024;

/** The longest method that HTTP knows has 16 characters */
const maxMethodLength = 16;
const firstRecordType = 0x14;
const lastRecordType = 0x18;

const ambiguousTls: TlsWords = { kind: "tls", serverName: null, isEncrypted: false, isAmbiguous: true };
const ambiguousHttp: HttpWords = { kind: "http", host: null, method: "", isProxyForm: false, isAmbiguous: true };

/**
 * Reads what has arrived of a client so far. Call it again with all bytes as more arrive. Once the
 * result is not "incomplete", more bytes never change it, and it makes no difference how they were
 * cut. Nothing that is "incomplete" may go to the server. `isEnd` says that the client sends no
 * more. Then something is decided, because some servers answer a request that its end cuts off.
 *
 * Only the first message of a connection counts. The server is dialled by the name that the guest
 * resolved, so a later request reaches the same server. It can name another site of that server,
 * and so can a request inside TLS, which no check without interception sees. To judge later
 * requests too, the caller would have to follow the framing of every body (content-length, chunks,
 * upgrades) exactly as the server does. The second hello after a HelloRetryRequest must repeat the
 * name of the first (RFC 8446, section 4.1.2), but only the server can hold a client to that.
 */
export function readFirstWords(bytes: Buffer, isEnd = false): FirstWords {
  const start = bytes.subarray(0, maxFirstWordsBytes);
  const words = readStart(start);
  if (words.kind !== "incomplete") return words;
  const isTls = mayBeTls(start);
  if (bytes.length >= maxFirstWordsBytes) return isTls ? ambiguousTls : ambiguousHttp;
  if (!isEnd) return words;
  // No server reads a name in half a hello, or in nothing.
  if (isTls || bytes.toString("latin1").trim() === "") return { kind: "other" };
  return readRequestHead(Buffer.concat([bytes, Buffer.from("\n")])) === "other" ? { kind: "other" } : ambiguousHttp;
}

/**
 * Whether what is "incomplete" can still become a request with a method that HTTP knows, or a
 * hello. Many protocols begin with a word without an end, and then wait for an answer.
 */
export function mayBecomeKnown(bytes: Buffer): boolean {
  const text = bytes.toString("latin1", 0, maxMethodLength + 1).toUpperCase();
  return mayBeTls(bytes) || /[^!-~]/.test(text) || METHODS.some((method) => method.startsWith(text));
}

function readStart(bytes: Buffer): FirstWords {
  if (bytes.length === 0) return { kind: "incomplete" };
  if (!mayBeTls(bytes)) {
    const head = readRequestHead(bytes);
    return typeof head === "string" ? { kind: head } : { kind: "http", ...head };
  }
  const hello = readClientHello(bytes);
  if (hello === "ambiguous") return ambiguousTls;
  return typeof hello === "string" ? { kind: hello } : { kind: "tls", ...hello, isAmbiguous: false };
}

/** A record of TLS, or a hello in the form of SSL 2.0 */
function mayBeTls([first = 0]: Buffer): boolean {
  return (first >= firstRecordType && first <= lastRecordType) || first >= 0x80;
}
