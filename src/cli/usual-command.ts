import type { Operation } from "../operations/operation.ts";

/** Words of other programs, and pyro's */
const synonyms: Readonly<Record<string, string>> = {
  ls: "list",
  ps: "list",
  rm: "delete",
  remove: "delete",
  destroy: "delete",
  kill: "stop",
  new: "create",
  up: "create",
  get: "status",
  show: "status",
};

/**
 * The command that a user means with a word that pyro does not know after the words `before`;
 * undefined if it cannot be told.
 */
export function usualCommand(
  before: readonly string[],
  word: string,
  operations: readonly Operation[],
): string | undefined {
  if (word === "version") return "pyro --version";
  const verb = synonyms[word] ?? word;
  const places = [before, ["workspace", ...before]];
  for (const place of places) {
    const name = [...place, verb].join(".");
    const isKnown = operations.some((operation) => operation.name === name || operation.name.startsWith(`${name}.`));
    if (isKnown) return `pyro ${name.replaceAll(".", " ")}`;
  }
  return undefined;
}
