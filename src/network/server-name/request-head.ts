import { nameOf, shownName } from "./name.ts";

/** What an HTTP client says about its server in the head of its first request. */
export interface RequestHead {
  readonly host: string | null;
  readonly method: string;
  readonly isProxyForm: boolean;
  readonly isAmbiguous: boolean;
}

interface RequestLine {
  readonly method: string;
  readonly target: string;
}

const maxMethodLength = 32;
/** First bytes of HTTP/2 without TLS or an upgrade (RFC 9113, section 3.4) */
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// All of these are anchored, or find a short text: each looks at a byte a few times at most.
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A server may take other blanks than a space for it (RFC 9112, section 3) */
const twoWords = /^([^ \t\v\f\r]+)[ \t\v\f\r]+([^ \t\v\f\r]+)/;
/** As HTTP/0.9, no fields follow a line without a version, but some servers read them */
const onlyTwoWords = /^[^ \t\v\f]+[ \t\v\f]+[^ \t\v\f]+[ \t\v\f]*$/;
/** HTTP, and what some of its servers take too */
const protocol = /[ \t\v\f\r](?:HTTP|RTSP|ICE)\//i;
const strictLine = /^[\x21-\x7e]+ [\x21-\x7e\x80-\xff]+ (?:HTTP|RTSP|ICE)\/1\.\d\r?$/;
/** Target of a proxy with the authority that it names */
const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)/i;
/** What ends the authority of a URL in the reading of some servers */
const unclearInUrl = /[#\\]/;

/**
 * Reads the head of a first request (RFC 9112). It takes for HTTP what any server could, and it is
 * ambiguous unless every server reads it the same way.
 */
export function readRequestHead(bytes: Buffer): RequestHead | "incomplete" | "other" {
  const text = bytes.toString("latin1");
  if (text.startsWith(http2Preface)) return "other";
  if (http2Preface.startsWith(text)) return "incomplete";
  // Some servers pass over blanks before a request. All pass over empty lines.
  const [before = ""] = /^[ \t\v\f\r\n]*/.exec(text) ?? [];
  const start = before.length;
  const lineEnd = text.indexOf("\n", start);
  const line = text.slice(start, lineEnd < 0 ? text.length : lineEnd);
  if (!mayBeRequestLine(line)) return "other";
  if (lineEnd < 0) return "incomplete";
  const [, method = "", target = ""] = twoWords.exec(line) ?? [];
  const request = { method, target };
  if (isAlone(line, request)) return headOf(request, [], false);
  if (!protocol.test(line)) return "other";
  const end = endOfHead(text, lineEnd);
  if (end === undefined) return "incomplete";
  const lines = text.slice(start, end).split("\n");
  const hosts = hostFields(lines.slice(1, -1));
  const isClean = hosts !== undefined && strictLine.test(line) && haveSameEnds(lines) && !/[ \t\v\f]/.test(before);
  return headOf(request, hosts ?? [], isClean);
}

/**
 * Git's own protocol starts like a request, until a zero byte. Servers take none in a request line,
 * but a few end that line before what looks like its end.
 */
function mayBeRequestLine(line: string): boolean {
  const zero = line.indexOf("\0");
  if (zero >= 0 && !/\r/.test(line.slice(0, zero)) && !protocol.test(line.slice(0, zero))) return false;
  const [method = ""] = /^[^ \t\v\f\r]*/.exec(line) ?? [];
  return method === "" || token.test(method);
}

/** A return alone is a blank for some servers, and the end of a line for others. */
function isAlone(line: string, { method, target }: RequestLine): boolean {
  const [start = ""] = line.split("\r", 1);
  return onlyTwoWords.test(start) && authorityOf(method, target) !== undefined;
}

/** The end of the empty line after a head, without its newline. `from` is the end of a line. */
function endOfHead(text: string, from: number): number | undefined {
  const withReturn = text.indexOf("\n\r\n", from);
  const without = text.indexOf("\n\n", from);
  if (without >= 0 && (withReturn < 0 || without < withReturn)) return without + 1;
  return withReturn < 0 ? undefined : withReturn + 2;
}

/** If lines end in two ways, a server that knows one of them finds other lines. */
function haveSameEnds(lines: readonly string[]): boolean {
  const returns = lines.filter((line) => line.endsWith("\r")).length;
  return returns === 0 || returns === lines.length;
}

/**
 * Values of all Host fields. undefined: there is a line that RFC 9112, section 5 forbids, such as
 * one that continues the line before it, or has a space before its colon.
 */
function hostFields(lines: readonly string[]): string[] | undefined {
  const hosts: string[] = [];
  for (const line of lines) {
    const text = line.replace(/\r$/, "");
    const colon = text.indexOf(":");
    const name = text.slice(0, Math.max(0, colon));
    if (!token.test(name) || /[\0\r]/.test(text)) return undefined;
    if (name.toLowerCase() === "host") hosts.push(withoutBlanks(text.slice(colon + 1)));
  }
  return hosts;
}

/** A regular expression for the blanks at an end would look at each blank of a long run again. */
function withoutBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value[start])) start += 1;
  while (end > start && isBlank(value[end - 1])) end -= 1;
  return value.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

function headOf({ method, target }: RequestLine, hosts: readonly string[], isClean: boolean): RequestHead {
  const inTarget = authorityOf(method, target);
  const given = [inTarget?.authority, ...hosts].filter((host) => host !== undefined);
  const [first = ""] = given;
  const doAgree = hosts.length <= 1 && given.every((host) => nameOf(host) === nameOf(first));
  const isAmbiguous = !isClean || inTarget === undefined || !doAgree;
  return {
    host: isAmbiguous || first === "" ? null : shownName(Buffer.from(first, "latin1")),
    method: shownName(Buffer.from(method.slice(0, maxMethodLength), "latin1")),
    isProxyForm: inTarget?.authority !== undefined,
    isAmbiguous,
  };
}

/** The authority in a target (RFC 9112, section 3.2), if it has one. undefined: it has no form. */
function authorityOf(method: string, target: string): { authority?: string } | undefined {
  if (/^connect$/i.test(method)) return { authority: target };
  if (target.startsWith("/") || target === "*") return {};
  const [, authority] = absoluteForm.exec(target) ?? [];
  return authority === undefined || authority === "" || unclearInUrl.test(target) ? undefined : { authority };
}
