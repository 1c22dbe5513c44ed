import type { FirstWords } from "./first-words.ts";
import { belongsTo, nameOf } from "./name.ts";

/** How the name that a client gives its server relates to the name that the guest resolved. */
export type Belonging =
  /** It is the same, or there is none */
  | { readonly kind: "same" }
  /** It is another one, in the form that rules have: lower case, no port, no dot at the end */
  | { readonly kind: "foreign"; readonly name: string }
  /** Servers may read different names */
  | { readonly kind: "ambiguous" };

/**
 * Compares the first words of a client with the name or the literal address that its connection is
 * for. The name in an encrypted hello cannot be seen, so the resolved name stands for it.
 */
export function judgeFirstWords(words: FirstWords, resolved: string): Belonging {
  if (words.kind !== "tls" && words.kind !== "http") return { kind: "same" };
  if (words.isAmbiguous) return { kind: "ambiguous" };
  if (words.kind === "tls" && words.isEncrypted) return { kind: "same" };
  const name = words.kind === "tls" ? words.serverName : words.host;
  return name === null || belongsTo(name, resolved) ? { kind: "same" } : { kind: "foreign", name: nameOf(name) };
}
