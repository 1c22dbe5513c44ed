import { throwIfCancelled } from "../core/deadline.ts";
import { askGit } from "./git.ts";

const askTimeoutMs = 30_000;

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
  if (paths.length === 0) return new Set();
  const input = Buffer.concat(paths.flatMap((path) => [path, Buffer.from([0])]));
  const command = ["-C", root, "check-ignore", "-z", "--stdin"];
  const answer = await askGit(command, { timeoutMs: askTimeoutMs, signal, input }).catch(() => {
    // Without git, or if it takes too long, a diff with too much in it is better than none.
  });
  throwIfCancelled(signal);
  return new Set(answer?.exitCode === 0 ? answer.stdout.toString("latin1").split("\0").slice(0, -1) : []);
}
