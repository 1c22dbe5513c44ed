import { isIP } from "node:net";

/** A DNS name has up to 253 characters, so no longer text can be one; in bytes */
const maxShownBytes = 256;

/**
 * Whether a server name or a Host field means what the guest resolved. Its port does not count, nor
 * does case or one dot at the end. An address belongs only to a connection by that address, in the
 * forms that RFC 3986 allows.
 */
export function belongsTo(name: string | null, resolved: string): boolean {
  if (name === null) return false;
  const given = nameOf(name);
  return given !== "" && given === nameOf(resolved);
}

/** A name without its port and a dot at its end, in lower case; an address in its usual form. */
export function nameOf(host: string): string {
  if (isIP(host) !== 0) return usualAddress(host);
  const colon = portStart(host);
  const name = colon === undefined ? host : host.slice(0, colon);
  if (name.startsWith("[") && name.endsWith("]") && isIP(name.slice(1, -1)) === 6) {
    return usualAddress(name.slice(1, -1));
  }
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}

/** Place of the colon before the digits at the end; a host may have the colon alone. */
function portStart(host: string): number | undefined {
  const colon = host.lastIndexOf(":");
  return colon >= 0 && /^\d*$/.test(host.slice(colon + 1)) ? colon : undefined;
}

function usualAddress(address: string): string {
  // A zone, which no URL has, is kept as it is.
  if (isIP(address) !== 6 || address.includes("%")) return address.toLowerCase();
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

/**
 * A name as a client gave it, safe to print. A backslash and bytes that are not visible ASCII
 * become \xNN. What is too long for a name is cut.
 */
export function shownName(bytes: Buffer): string {
  const text = bytes.toString("latin1", 0, maxShownBytes);
  const escaped = text.replace(/[^\x21-\x5b\x5d-\x7e]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return bytes.length > maxShownBytes ? `${escaped}...` : escaped;
}
