import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { systemErrorCode } from "../core/errors.ts";

const hostsPath = "/etc/hosts";

/** What the host's resolver says about a name. */
export type Resolution =
  | { readonly addresses: readonly string[] }
  /** The name does not exist, or nothing can tell whether it does */
  | { readonly missing: true; readonly reason: string };

/** Resolves a name to all of its addresses, in the order in which to try them. */
export type Resolve = (name: string) => Promise<Resolution>;

const underWay = new Map<string, Promise<Resolution>>();

/**
 * Asks the host's resolver about exactly this name. The host's search domains are left out: by them
 * a guest's `intranet` would become `intranet.example.com`, which no rule has named. A name whose
 * answer is still awaited is not asked for again, because few questions can wait at once.
 */
export const resolveOnHost: Resolve = (name) => {
  const known = underWay.get(name);
  if (known !== undefined) return known;
  const asked = ask(name).finally(() => underWay.delete(name));
  underWay.set(name, asked);
  return asked;
};

async function ask(name: string): Promise<Resolution> {
  const inHosts = hostsEntries(await readFile(hostsPath, "utf8").catch(() => ""), name);
  if (inHosts.length > 0) return { addresses: inHosts };
  try {
    // The dot at the end says that the name is whole. The hosts file knows no such names.
    const found = await lookup(`${name}.`, { all: true, order: "verbatim" });
    return { addresses: found.map(({ address }) => address) };
  } catch (error) {
    const isMissing = systemErrorCode(error) === "ENOTFOUND";
    const reason = isMissing ? "the name does not exist" : "the host's resolver does not answer";
    return { missing: true, reason };
  }
}

/** Addresses of a name in a hosts file (hosts(5)). */
export function hostsEntries(text: string, name: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = (line.split("#", 1)[0] ?? "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((known) => known.toLowerCase() === name) ? [address] : [];
  });
}
