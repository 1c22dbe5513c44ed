import { isUtf8 } from "node:buffer";
import { lstat, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PyroError } from "../core/errors.ts";
import { look } from "../host/named/look.ts";
import { shownPath } from "../host/named/path.ts";
import { askGit, type GitOutput } from "./git.ts";
import { oddFileAround } from "./odd-git-file.ts";
import {
  bareProblem,
  brokenProblem,
  elsewhereProblem,
  hangingProblem,
  insideGitProblem,
  notTextProblem,
  type ProjectProblem,
  problemError,
  repositoryProblem,
} from "./problem.ts";
import type { ProjectSource } from "./source.ts";

const detectTimeoutMs = 30_000;

/** The project at a path of this host. */
export type DetectedProject =
  /** A repository or a linked worktree with this top level contains it */
  | { readonly kind: "checkout"; readonly root: string }
  /** No repository contains it */
  | { readonly kind: "directory"; readonly root: string }
  | { readonly kind: "unusable"; readonly problem: ProjectProblem };

export interface DetectOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface AutoDetected {
  readonly source: ProjectSource | undefined;
  /** Why there is none; absent outside any checkout */
  readonly problem?: ProjectProblem;
}

/** The checkout that contains a folder, if there is one. */
export async function autoDetectProject(cwd: string, options: DetectOptions = {}): Promise<AutoDetected> {
  const detected = await detectProject(cwd, options);
  if (detected.kind === "checkout") return { source: detected };
  // The user has not named the folder, which may be a home directory.
  if (detected.kind === "directory") return { source: undefined };
  return { source: undefined, problem: detected.problem };
}

/** The project at a path: the checkout that contains it or, without one, the whole folder. */
export async function projectAt(path: string, options: DetectOptions = {}): Promise<ProjectSource> {
  const detected = await detectProject(path, options);
  if (detected.kind === "unusable") throw problemError(`cannot use project '${shownPath(path)}'`, detected.problem);
  return detected;
}

export async function detectProject(path: string, { signal }: DetectOptions = {}): Promise<DetectedProject> {
  const dir = resolve(path);
  const problem = await directoryProblem(path === "" ? "" : dir, signal);
  if (problem) return { kind: "unusable", problem };
  try {
    return await lookWithGit(dir, signal);
  } catch (error) {
    // git is missing or does not answer.
    if (!(error instanceof PyroError) || error.code === "cancelled") throw error;
    return unusable({
      ...brokenProblem(dir, error.message),
      code: error.code,
      ...(error.advice && { hint: error.advice }),
    });
  }
}

async function directoryProblem(dir: string, signal: AbortSignal | undefined): Promise<ProjectProblem | undefined> {
  const hint = "Give the path of a directory that exists and that you can read.";
  const found = await look(dir, signal);
  if ("reason" in found) return { code: found.code, reason: found.reason, hint: found.hint ?? hint };
  if (!found.isDirectory()) return { code: "invalid_argument", reason: "it is not a directory", hint };
  const odd = await oddFileAround(dir);
  return odd === undefined ? undefined : hangingProblem(odd);
}

async function lookWithGit(dir: string, signal: AbortSignal | undefined): Promise<DetectedProject> {
  const ask = (at: string, ...flags: readonly string[]) =>
    askGit(["-C", at, "rev-parse", ...flags], { timeoutMs: detectTimeoutMs, signal });
  const answer = await ask(dir, "--is-bare-repository", "--is-inside-git-dir", "--show-toplevel");
  const [isBare, isInsideGitDir] = answer.stdout.toString("latin1").split("\n", 2);
  if (isBare === "true") return unusable(bareProblem(pathIn((await ask(dir, "--absolute-git-dir")).stdout) ?? dir));
  if (isInsideGitDir === "true") return unusable(insideGitProblem);
  if (answer.exitCode !== 0) return withoutCheckout(dir, answer);
  const root = pathIn(afterLines(answer.stdout, 2));
  if (root === undefined) return unusable(notTextProblem);
  const gitDirOf = async (at: string) => (await ask(at, "--absolute-git-dir")).stdout;
  // A repository's configuration (core.worktree) can name any folder as its top level, such as a
  // home directory.
  const isItsOwn =
    (await hasGit(root)) && (root === (await realpath(dir)) || (await gitDirOf(root)).equals(await gitDirOf(dir)));
  return isItsOwn ? { kind: "checkout", root } : unusable(elsewhereProblem);
}

async function withoutCheckout(dir: string, answer: GitOutput): Promise<DetectedProject> {
  const [, bare] = /^fatal: cannot use bare repository '(.*)'/m.exec(answer.stderr) ?? [];
  if (bare !== undefined) return unusable(bareProblem(bare));
  // `or any of the parent directories`, `or any parent up to mount point …`; without that, it found
  // one that is broken
  if (!/^fatal: not a git repository \(or any /m.test(answer.stderr)) return unusable(repositoryProblem(dir, answer));
  return (await hasGit(dir))
    ? unusable(brokenProblem(dir, "its .git is no repository that git can read"))
    : { kind: "directory", root: dir };
}

function unusable(problem: ProjectProblem): DetectedProject {
  return { kind: "unusable", problem };
}

/** Whether there is a `.git` of any kind. */
export async function hasGit(dir: string): Promise<boolean> {
  try {
    await lstat(join(dir, ".git"));
    return true;
  } catch {
    // It does not exist, or git cannot reach it either.
    return false;
  }
}

/** A path that git prints on a line of its own; undefined if it is not UTF-8. */
function pathIn(output: Buffer): string | undefined {
  return isUtf8(output) ? output.toString("utf8").replace(/\n$/, "") : undefined;
}

function afterLines(output: Buffer, count: number): Buffer {
  let start = 0;
  for (let line = 0; line < count; line += 1) start = output.indexOf("\n", start) + 1;
  return output.subarray(start);
}
