import { type ClientHello, readClientHello } from "./client-hello.ts";
import { type HttpHost, readHttpHost } from "./http-host.ts";

/** What the first bytes of a client say about the server that they are for. */
export type FirstWords =
  | { readonly kind: "incomplete" }
  | ({ readonly kind: "tls" } & ClientHello)
  | ({ readonly kind: "http" } & HttpHost)
  /** Neither: SSH, Git's own protocol, HTTP/2 without TLS and the like */
  | { readonly kind: "other" };

/** A client that has not made itself clear by then is taken for another kind, in bytes */
export const maxFirstWordsBytes = 64 * 1024;

/** Reads what has come so far. Once it is not "incomplete", more bytes change nothing. */
export function readFirstWords(bytes: Buffer): FirstWords {
  const isLong = bytes.length >= maxFirstWordsBytes;
  const hello = readClientHello(bytes);
  if (hello === "incomplete" && bytes.length > 0) return { kind: isLong ? "other" : "incomplete" };
  if (hello !== undefined && hello !== "incomplete") return { kind: "tls", ...hello };
  const request = readHttpHost(bytes);
  if (request === "incomplete") return { kind: isLong ? "other" : "incomplete" };
  return request ? { kind: "http", ...request } : { kind: "other" };
}
