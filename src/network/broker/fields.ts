import type { Field } from "./fill-in.ts";

/** Fields that are for one connection alone (RFC 9110, section 7.6.1) */
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Names and values as Node's `rawHeaders` have them. */
export function fieldsOf(raw: readonly string[]): readonly Field[] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ""] as const] : []));
}

export function rawFields(fields: readonly Field[]): string[] {
  return fields.flat();
}

/** All values of a field; the name is in lower case. */
export function valuesOf(fields: readonly Field[], wanted: string): readonly string[] {
  return fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
}

/** Members of a field that is a list, in lower case. */
export function membersOf(fields: readonly Field[], wanted: string): readonly string[] {
  return valuesOf(fields, wanted).flatMap((value) => value.split(",").map((member) => member.trim().toLowerCase()));
}

/** The fields that are for the other side, too. */
export function endToEnd(fields: readonly Field[]): readonly Field[] {
  const named = new Set(membersOf(fields, "connection"));
  return fields.filter(([name]) => {
    const lower = name.toLowerCase();
    // A connection's framing is its own, whatever it names.
    return !ofConnection.has(lower) && (!named.has(lower) || lower === "content-length" || lower === "host");
  });
}

export function without(fields: readonly Field[], unwanted: string): readonly Field[] {
  return fields.filter(([name]) => name.toLowerCase() !== unwanted);
}
