import { PyroError } from "../../core/errors.ts";
import { portNumber } from "../record/port.ts";

/** Names and addresses of the guest itself */
const ownHosts: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]", "::1", "0.0.0.0", "[::]"]);

/** The port of `8080`, `HOST:8080` or a URL, whose host must be the guest itself. */
export function loopbackPort(address: string | URL): number {
  const [host, port] = typeof address === "string" ? split(address) : fromUrl(address);
  const { data: number } = portNumber.safeParse(/^\d{1,5}$/.test(port) ? Number(port) : undefined);
  if (number === undefined) {
    throw new PyroError("invalid_argument", `cannot wait for '${String(address)}': it has no port`, {
      hint: "Give a port, such as 8080, or a URL, such as http://127.0.0.1:8080/.",
    });
  }
  if (!ownHosts.has(host)) {
    throw new PyroError("invalid_argument", `cannot wait for '${String(address)}': '${host}' is not the guest itself`, {
      hint: "Give its port alone, or use a command to look elsewhere.",
    });
  }
  return number;
}

function split(address: string): readonly [host: string, port: string] {
  const colon = address.lastIndexOf(":");
  return colon === -1 ? ["localhost", address] : [address.slice(0, colon), address.slice(colon + 1)];
}

function fromUrl({ protocol, hostname, port }: URL): readonly [host: string, port: string] {
  const usual = protocol === "https:" ? "443" : "80";
  return [hostname, port === "" ? usual : port];
}

/** A URL to wait for, over HTTP or HTTPS. */
export function readinessUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    loopbackPort(url);
    return url;
  }
  throw new PyroError("invalid_argument", `cannot wait for '${text}': it is no URL of HTTP`, {
    hint: "Give one such as http://127.0.0.1:8080/health.",
  });
}
