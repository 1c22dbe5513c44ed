import { randomInt } from "node:crypto";

/**
 * Beginnings by which programs know what a token is for. They are the same for all tokens of a
 * kind, so they are no part of the secret
 */
const knownPrefix =
  /^(?:gh[oprsu]_|github_pat_|glpat-|sk-ant-(?:api|admin)\d\d-|sk-proj-|sk-(?:live|test)-|[rs]k_(?:live|test)_|sk-|xox[abeoprs]-|npm_|pypi-|hf_|dop_v1_|AKIA|AIza|eyJ)/;
/** A shorter one could be met by chance */
const minRandomCharacters = 16;
const maxLength = 512;
const fallbackLength = 24;
const fallbackPrefix = "pyro_";

const alphabets: readonly (readonly [RegExp, string])[] = [
  [/[a-z]/, "abcdefghijklmnopqrstuvwxyz"],
  [/[A-Z]/, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
  [/[0-9]/, "0123456789"],
];

/**
 * A text of the same shape as a value, for the guest: programs that check what a token looks like
 * take it, and it tells nothing but that. A value that has no such shape (a text of several lines,
 * or a short password) gets a text that is only random.
 */
export function newPlaceholder(value: string): string {
  const text = value.trim();
  const prefix = knownPrefix.exec(text)?.[0] ?? "";
  const rest = text.slice(prefix.length);
  const randomCharacters = rest.replace(/[^A-Za-z0-9]/g, "").length;
  const isToken = /^[\w.~+/=-]+$/.test(text) && text.length <= maxLength;
  if (!isToken || randomCharacters < minRandomCharacters) return fallbackPrefix + random(fallbackLength);
  return prefix + [...rest].map(like).join("");
}

function like(character: string): string {
  const [, alphabet] = alphabets.find(([pattern]) => pattern.test(character)) ?? [];
  return alphabet === undefined ? character : (alphabet[randomInt(alphabet.length)] ?? character);
}

function random(length: number): string {
  return Array.from({ length }, () => like(randomInt(3) === 0 ? "0" : "a")).join("");
}
