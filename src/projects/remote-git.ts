import { PyroError } from "../core/errors.ts";
import { diskFullWords } from "../host/disk-space.ts";
import { freeSomeSpace } from "../host/files.ts";
import { redactedUrl, withoutCredentials } from "./clone-url.ts";
import { type GitOptions, gitReason, runGit } from "./git.ts";
import { repositoryProblem } from "./problem.ts";
import { shellWord } from "./shell-word.ts";

/**
 * Git's words for a failed clone. The first match explains it. One without a reason is reported in
 * git's own words.
 */
const explanations = [
  {
    pattern: diskFullWords,
    code: "resource_exhausted",
    reason: "the disk became full",
    hint: () => freeSomeSpace,
  },
  {
    pattern: /^fatal: transport '.*' not allowed/m,
    code: "invalid_argument",
    reason: "its protocol is not allowed",
    hint: () => "Use https, ssh, git, http or file.",
  },
  {
    pattern: /Host key verification failed/,
    code: "failed_precondition",
    reason: "ssh does not know the host",
    hint: (tryOut: string) => `Run ${tryOut} once, and accept its key.`,
  },
  {
    pattern: /could not read (?:Username|Password)|Authentication failed|Permission denied \(|returned error: 40[13]/,
    code: "failed_precondition",
    reason: "it needs credentials",
    hint: (tryOut: string) => `Make ${tryOut} work without a question: by a credential helper or an ssh key.`,
  },
  {
    pattern:
      /Could not resolve|Failed to connect|unable to connect to|ssh: connect to host|Connection (?:refused|timed out|reset)|Network is unreachable|No route to host|Operation too slow|returned error: 5\d\d/i,
    code: "unavailable",
    reason: undefined,
    hint: (tryOut: string) => `Check the network with ${tryOut}, and try again.`,
  },
  {
    pattern: /does not appear to be a git repository|repository '.*' not found|Repository not found|not exported/i,
    code: "not_found",
    reason: "there is no such repository",
    hint: () => "Check the URL.",
  },
] as const;

/** Runs git for a URL. Returns its output, or fails with an error without the URL's credentials. */
export async function runRemoteGit(url: string, args: readonly string[], options: GitOptions): Promise<string> {
  const shown = redactedUrl(url);
  const action = `cannot clone '${shown}'`;
  const tryOut = `\`git ls-remote ${shellWord(shown)}\``;
  const outcome = await runGit(args, options).catch((error: unknown) => {
    if (!(error instanceof PyroError) || error.code !== "timeout") throw error;
    const reason = `it took longer than ${options.timeoutMs / 1000} s`;
    throw new PyroError("timeout", `${action}: ${reason}`, {
      hint: `Check the network with ${tryOut}, and try again.`,
    });
  });
  if (outcome.exitCode === 0) return outcome.stdout;
  const failure = { ...outcome, stderr: withoutCredentials(outcome.stderr, url) };
  const found = explanations.find(({ pattern }) => pattern.test(failure.stderr));
  if (found)
    throw new PyroError(found.code, `${action}: ${found.reason ?? gitReason(failure)}`, { hint: found.hint(tryOut) });
  // A repository on this host that git does not trust has its own hint.
  const { code, reason, hint } = repositoryProblem(shown, failure);
  const isLocal = url.startsWith("/") || url.startsWith("file:");
  throw new PyroError(code, `${action}: ${reason}`, { hint: isLocal ? hint : `Find out with ${tryOut}.` });
}
