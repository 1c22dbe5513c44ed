import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { PyroError } from "../core/errors.ts";
import type { Operation } from "../operations/operation.ts";
import { type Flag, fieldsOf } from "./flags.ts";

/** The words of pyro itself. Those after `--` belong to the guest. */
export function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end === -1 ? argv : argv.slice(0, end);
}

/** Commander passes them as arguments of a call, which JavaScript limits to some 120,000 */
const maxWords = 100_000;

export function requireReadable(argv: readonly string[]): void {
  if (argv.length <= maxWords) return;
  throw new PyroError("invalid_argument", `cannot pass on ${argv.length} arguments: ${maxWords} are the most`, {
    hint: "Pass long lists on standard input.",
  });
}

/**
 * Refuses arguments that are not UTF-8. Node decodes them with U+FFFD for every other byte, and
 * only the kernel knows whether the user typed that character.
 */
export function requireUtf8(argv: readonly string[]): void {
  if (!argv.some((word) => word.includes("\uFFFD"))) return;
  const typed = readFileSync("/proc/self/cmdline", "latin1").split("\0").slice(0, -1).slice(-argv.length);
  const index = typed.findIndex((word) => !isUtf8(Buffer.from(word, "latin1")));
  if (index === -1) return;
  throw new PyroError("invalid_argument", `cannot pass on the argument '${argv[index]}': it is not UTF-8 text`, {
    hint: "Pass such bytes on standard input.",
  });
}

/** The operation that the first words name, and how many words that takes. */
export function findOperation(
  argv: readonly string[],
  operations: readonly Operation[],
): { readonly operation: Operation; readonly length: number } | undefined {
  for (const operation of operations) {
    const words = operation.name.split(".");
    if (words.every((word, index) => argv[index] === word)) return { operation, length: words.length };
  }
  return undefined;
}

/** Whether the end of a command line is a command of the guest. */
export function takesCommand(operation: Operation): boolean {
  return fieldsOf(operation).positionals.at(-1)?.kind === "list";
}

/**
 * The same words, with `--` before the guest's command if the user left it out. The command begins
 * at the first word that is neither an option nor needed by position before it.
 */
export function separateCommand(argv: readonly string[], operations: readonly Operation[]): readonly string[] {
  const found = findOperation(argv, operations);
  if (!found || !takesCommand(found.operation)) return argv;
  const { positionals, flags } = fieldsOf(found.operation);
  let needed = positionals.length - 1;
  for (let index = found.length; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    if (word === "--") return argv;
    if (word.startsWith("-")) {
      if (takesValue(word, flags)) index += 1;
    } else if (needed > 0) needed -= 1;
    else return [...argv.slice(0, index), "--", ...argv.slice(index)];
  }
  return argv;
}

function takesValue(word: string, flags: readonly Flag[]): boolean {
  return flags.some(({ name, kind }) => name === word && kind !== "boolean");
}
