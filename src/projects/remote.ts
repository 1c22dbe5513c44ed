import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { type ErrorCode, PyroError } from "../core/errors.ts";
import { look, oddKind } from "../host/named/look.ts";
import { redactedUrl, requireCloneRef, requireCloneUrl } from "./clone-url.ts";
import { oddFileOf } from "./odd-git-file.ts";
import { runRemoteGit } from "./remote-git.ts";
import type { ProjectSource } from "./source.ts";

const askTimeoutMs = 60_000;

export type CloneSource = Extract<ProjectSource, { kind: "clone" }>;

/** The commit that a clone checks out. */
export interface ResolvedCommit {
  /** Full hash */
  readonly commit: string;
  /** Its branch, if the user named one or the repository's HEAD is one */
  readonly branch: string | undefined;
}

/** A repository to clone, from the user's text. It contacts no host. */
export function projectFromUrl(url: string, ref?: string | undefined): CloneSource {
  requireCloneUrl(url);
  if (ref !== undefined) requireCloneRef(ref);
  return { kind: "clone", url, ref };
}

/**
 * Asks the repository for the commit of a branch or tag or, without a ref, of its HEAD. A full
 * commit is taken as it is.
 */
export async function resolveCommit(
  source: CloneSource,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ResolvedCommit> {
  const { url, ref } = projectFromUrl(source.url, source.ref);
  await requireUsablePath(url, signal);
  if (ref !== undefined && isCommit(ref)) return { commit: ref.toLowerCase(), branch: undefined };
  const names = candidates(ref);
  // Outside any repository, because the configuration of one could change the URL's meaning.
  const args = ["--git-dir=/nonexistent", "ls-remote", "--symref", "--quiet", "--", url];
  const wanted = [...args, ...names.map(({ name }) => name)];
  const { commits, headBranch } = parseRefs(await runRemoteGit(url, wanted, { timeoutMs: askTimeoutMs, signal }));
  for (const { name, branch } of names) {
    const commit = commits.get(name);
    if (commit !== undefined) return { commit, branch: name === "HEAD" ? headBranch : branch };
  }
  throw unknownRef(url, ref);
}

/** Of a bundle, the only file that git clones */
const bundleSignature = /^# v\d+ git bundle\n/;
const bundleBytes = 32;

/**
 * Refuses a path of this host on which git would hang, or read without end. Any other is for git to
 * judge.
 */
async function requireUsablePath(url: string, signal: AbortSignal | undefined): Promise<void> {
  const [, path] = /^(?:file:\/\/[^/]*)?(\/.*)$/is.exec(url) ?? [];
  if (path === undefined) return;
  const refuse = (code: ErrorCode, reason: string, hint = "Give the path of a Git repository."): never => {
    throw new PyroError(code, `cannot clone '${redactedUrl(url)}': ${reason}`, { hint });
  };
  const found = await look(path, signal);
  if ("reason" in found) return found.code === "not_found" ? undefined : refuse(found.code, found.reason, found.hint);
  const odd = found.isDirectory() ? await oddFileOf(path) : undefined;
  if (odd !== undefined) refuse("failed_precondition", odd);
  const kind = oddKind(found);
  if (kind !== undefined) refuse("invalid_argument", `it is ${kind}`);
  if (!found.isFile()) return;
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bundleBytes), 0, bundleBytes, 0);
  if (bundleSignature.test(buffer.toString("latin1", 0, bytesRead))) return;
  refuse("invalid_argument", "it is a file, and no bundle of git's");
}

/**
 * The names that a ref can mean, of which the first that exists wins. Branches come before tags, as
 * in `git clone --branch`.
 */
function candidates(ref: string | undefined): readonly { readonly name: string; readonly branch?: string }[] {
  if (ref === undefined || ref === "HEAD") return [{ name: "HEAD" }];
  const [, branch] = /^refs\/heads\/(.+)$/s.exec(ref) ?? [];
  if (branch !== undefined) return [{ name: ref, branch }];
  // An annotated tag is an object of its own, and `^{}` is its commit.
  if (ref.startsWith("refs/")) return [{ name: `${ref}^{}` }, { name: ref }];
  const tag = `refs/tags/${ref}`;
  return [{ name: `refs/heads/${ref}`, branch: ref }, { name: `${tag}^{}` }, { name: tag }];
}

/**
 * Lines such as `ref: refs/heads/main\tHEAD` and `COMMIT\trefs/heads/main`. Git also lists names
 * that only end like the ones asked for
 */
function parseRefs(output: string): { commits: ReadonlyMap<string, string>; headBranch: string | undefined } {
  const commits = new Map<string, string>();
  let headBranch: string | undefined;
  for (const line of output.split("\n")) {
    const [what = "", name = ""] = line.split("\t");
    if (isCommit(what)) commits.set(name, what);
    else if (name === "HEAD") headBranch = /^ref: refs\/heads\/(.+)$/.exec(what)?.[1];
  }
  return { commits, headBranch };
}

function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(text);
}

function unknownRef(url: string, ref: string | undefined): PyroError {
  const action = `cannot clone '${redactedUrl(url)}'`;
  if (ref === undefined || ref === "HEAD") {
    return new PyroError("not_found", `${action}: it has no commit checked out`, {
      hint: "Start the server with --repo-ref and a branch, or push a commit first.",
    });
  }
  return new PyroError("not_found", `${action}: it has no branch or tag '${ref}'`, {
    hint: /^[0-9a-f]{4,63}$/i.test(ref) ? "Give the full commit identifier." : "Check the name.",
  });
}
