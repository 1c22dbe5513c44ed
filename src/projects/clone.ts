import { rm } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { redactedUrl } from "./clone-url.ts";
import { askGit } from "./git.ts";
import type { CloneSource, ResolvedCommit } from "./remote.ts";
import { runRemoteGit } from "./remote-git.ts";

const cloneTimeoutMs = 30 * 60_000;
const lookTimeoutMs = 60_000;

/**
 * Ends transfers that stall, keeps a received pack as one, and keeps git from tidying up and from
 * recording the origin.
 */
const settings = [
  ...["http.lowSpeedLimit=1000", "http.lowSpeedTime=60", "fetch.unpackLimit=1", "gc.auto=0", "maintenance.auto=false"],
  ...["init.defaultBranch=main", "submodule.recurse=false", "core.logAllRefUpdates=false"],
].flatMap((setting) => ["-c", setting]);

const branches = "+refs/heads/*:refs/remotes/origin/*";
const tags = "+refs/tags/*:refs/tags/*";

/**
 * Clones a repository with its whole history into an empty folder and checks out the commit, on its
 * branch if it has one. It does so in smaller steps than `git clone`, which would write the URL
 * with its password into the clone.
 *
 * Submodules are not fetched, and their folders are empty. They are other repositories with other
 * credentials.
 */
export async function cloneCommit(
  { url, ref }: CloneSource,
  { commit, branch }: ResolvedCommit,
  dir: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const git = (...args: readonly string[]) =>
    runRemoteGit(url, ["-C", dir, ...settings, ...args], { timeoutMs: cloneTimeoutMs, signal });
  const fetch = (...refs: readonly string[]) =>
    git("fetch", "--quiet", "--no-recurse-submodules", "--no-tags", "--", url, ...refs);
  await git("init", "--quiet", "--template=", ...(commit.length === 64 ? ["--object-format=sha256"] : []));
  await git("config", "remote.origin.url", redactedUrl(url));
  await git("config", "remote.origin.fetch", branches);
  await fetch(branches, tags, ...(ref?.startsWith("refs/") ? [ref] : []));
  const known = await askGit(["-C", dir, "cat-file", "-e", `${commit}^{commit}`], { timeoutMs: lookTimeoutMs, signal });
  if (known.exitCode !== 0)
    await fetch(commit).catch((error: unknown) => Promise.reject(withoutCommit(url, commit, error)));
  await rm(join(dir, ".git", "FETCH_HEAD"), { force: true });
  if (branch === undefined) {
    await git("checkout", "--quiet", "--detach", commit, "--");
    return;
  }
  await git("checkout", "--quiet", "--no-track", "-B", branch, commit, "--");
  await git("config", `branch.${branch}.remote`, "origin");
  await git("config", `branch.${branch}.merge`, `refs/heads/${branch}`);
}

/** A server refuses commits that no branch or tag leads to. */
function withoutCommit(url: string, commit: string, error: unknown): unknown {
  if (!(error instanceof PyroError) || error.code !== "failed_precondition") return error;
  return new PyroError("not_found", `cannot clone '${redactedUrl(url)}': it has no commit '${commit}'`, {
    hint: "Check the commit identifier.",
    cause: error,
  });
}
