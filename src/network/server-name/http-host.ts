/** What an HTTP client says about its server in the head of its first request. */
export interface HttpHost {
  /** As the client wrote it, with a port if that has one; null: none, or several that differ */
  readonly host: string | null;
}

const requestLine = /^[A-Z][A-Z-]{0,31} (\S+) HTTP\/1\.[01]$/;
const methodStart = /^[A-Z][A-Z-]{0,31}(?: |$)/;
const authority = /^(?:https?:\/\/)?(?:[^@/?#]*@)?([^/?#]*)/i;

/**
 * Reads the head of a first request (RFC 9112, section 3). Later requests of the connection may
 * name other hosts: they reach the server that was dialled all the same, and pyro follows no
 * further. "incomplete": more bytes are needed to tell. undefined: it is no request.
 */
export function readHttpHost(bytes: Buffer): HttpHost | "incomplete" | undefined {
  const start = bytes.subarray(0, 40).toString("latin1");
  const lineEnd = bytes.indexOf("\n");
  if (lineEnd < 0) return /[^\x20-\x7e\r]/.test(start) || !methodStart.test(start) ? notYet(start) : "incomplete";
  const line = bytes.subarray(0, lineEnd).toString("latin1").replace(/\r$/, "");
  const [, target] = requestLine.exec(line) ?? [];
  if (target === undefined) return undefined;
  const headEnd = endOfHead(bytes, lineEnd);
  if (headEnd === undefined) return "incomplete";
  const fields = bytes
    .subarray(lineEnd + 1, headEnd)
    .toString("latin1")
    .split("\n");
  const hosts = fields.flatMap((field) => {
    const colon = field.indexOf(":");
    // Servers differ about a space before the colon, so it counts.
    const isHost = colon > 0 && field.slice(0, colon).trim().toLowerCase() === "host";
    return isHost ? [field.slice(colon + 1).trim()] : [];
  });
  const inTarget = target.startsWith("/") || target === "*" ? [] : [authority.exec(target)?.[1] ?? ""];
  const named = new Set([...inTarget, ...hosts].map((host) => host.toLowerCase()));
  return { host: named.size === 1 ? ([...named][0] ?? null) : null };
}

/** A method may still come whole. */
function notYet(start: string): "incomplete" | undefined {
  return /^[A-Z][A-Z-]{0,31}$/.test(start) || start === "" ? "incomplete" : undefined;
}

function endOfHead(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at >= 0 && at < bytes.length; at = bytes.indexOf("\n", at + 1)) {
    const next = bytes[at + 1] === 0x0d ? at + 2 : at + 1;
    if (bytes[next] === 0x0a) return at;
  }
  return undefined;
}
