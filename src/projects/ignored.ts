import { throwIfCancelled } from "../core/deadline.ts";
import { askGit } from "./git.ts";

const askTimeoutMs = 30_000;
/** Exit code of git after an error */
const fatal = 128;
/** Calls of some milliseconds, for a few paths that git cannot tell */
const maxCalls = 200;

/**
 * Finds the paths that a checkout ignores now, by its rules and its user's. It finds none if git
 * cannot tell, for example after the checkout was removed. Paths start at the top level. That of a
 * folder ends in a slash, and only then does git know that it is one. Keys are those of `pathKey`.
 */
export async function ignoredPaths(
  root: string,
  paths: readonly Buffer[],
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ReadonlySet<string>> {
  const budget = { callsLeft: maxCalls };
  return new Set(await ask(root, paths, { signal, budget }));
}

interface Asking {
  readonly signal: AbortSignal | undefined;
  readonly budget: { callsLeft: number };
}

/**
 * git answers nothing about any path if one of them is in a submodule or behind a link, so those
 * are looked for by halves, and count as not ignored.
 */
async function ask(root: string, paths: readonly Buffer[], asking: Asking): Promise<readonly string[]> {
  const { signal, budget } = asking;
  if (paths.length === 0 || budget.callsLeft === 0) return [];
  budget.callsLeft -= 1;
  const input = Buffer.concat(paths.flatMap((path) => [path, Buffer.from([0])]));
  const command = ["-C", root, "check-ignore", "-z", "--stdin"];
  const answer = await askGit(command, { timeoutMs: askTimeoutMs, signal, input }).catch(() => {
    // Without git, or if it takes too long, a diff with too much in it is better than none.
  });
  throwIfCancelled(signal);
  if (answer?.exitCode === 0) return answer.stdout.toString("latin1").split("\0").slice(0, -1);
  if (answer?.exitCode !== fatal || paths.length === 1) return [];
  const middle = Math.floor(paths.length / 2);
  const first = await ask(root, paths.slice(0, middle), asking);
  return [...first, ...(await ask(root, paths.slice(middle), asking))];
}
