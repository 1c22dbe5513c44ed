import { hostAndPort } from "../host-port.ts";

/** A connection that is denied, and how to change that. */
export interface Denied {
  /** Name or address that the guest wanted */
  readonly host: string;
  readonly port: number;
  /** Rule or reason that denies it */
  readonly rule: string;
  /** Argument that allows it, such as `--allow-host example.com`; empty: there is none */
  readonly howToAllow: string;
}

const maxRuleLength = 200;

/** The whole answer to an HTTP client whose request is denied. */
export function forbiddenResponse({ host, port, rule, howToAllow }: Denied): Buffer {
  const where = hostAndPort(host, port);
  const way = howToAllow === "" ? "" : ` The user of this workspace can allow it with \`${howToAllow}\`.`;
  const body = Buffer.from(`${oneLine(`pyro denied the connection to ${where}: ${rule}.${way}`)}\n`);
  const head = [
    "HTTP/1.1 403 Forbidden",
    "content-type: text/plain; charset=utf-8",
    `content-length: ${body.length}`,
    "cache-control: no-store",
    "connection: close",
    `pyro-denied: ${rule.slice(0, maxRuleLength).replace(/[^\x20-\x7e]/g, "?")}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

/** Text of which a terminal obeys nothing: controls and what turns the direction of text. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
