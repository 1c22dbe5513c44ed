import { throwIfCancelled } from "../core/deadline.ts";
import { askGit } from "./git.ts";

const askTimeoutMs = 30_000;

/**
 * Those of the paths, from the top level on, that a checkout ignores by its own rules and its
 * user's as they are now. None if git cannot say, for example after the checkout was removed. Keys
 * are those of `pathKey`.
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
