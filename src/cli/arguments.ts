import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { PyroError } from "../core/errors.ts";

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
