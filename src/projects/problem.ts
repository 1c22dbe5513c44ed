import { pathToFileURL } from "node:url";
import { type ErrorCode, PyroError } from "../core/errors.ts";
import type { Hint } from "../core/hint.ts";
import { gitReason } from "./git.ts";
import { shellWord } from "./shell-word.ts";

/** Why a path cannot be a project, and what to do. */
export interface ProjectProblem {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string | Hint;
}

/** `action` begins the message: `cannot use project '/home/me/project'` */
export function problemError(action: string, { code, reason, hint }: ProjectProblem): PyroError {
  return new PyroError(code, `${action}: ${reason}`, { hint });
}

export function bareProblem(gitDir: string): ProjectProblem {
  const flag = `--repo-url ${shellWord(pathToFileURL(gitDir).href)}`;
  const hint = `Start the server with \`${flag}\`, which clones it, or give seed_path.`;
  return { code: "failed_precondition", reason: "it is a bare repository, without a working tree", hint };
}

export const insideGitProblem: ProjectProblem = {
  code: "failed_precondition",
  reason: "it is inside of a repository's .git directory",
  hint: "Give the path of the checkout that the .git directory belongs to.",
};

export const notTextProblem: ProjectProblem = {
  code: "unsupported",
  reason: "the path of its top level is not UTF-8",
  hint: "Rename the directory.",
};

export const elsewhereProblem: ProjectProblem = {
  code: "failed_precondition",
  reason: "its repository has its working tree elsewhere (core.worktree)",
  hint: "Give the path of a checkout that has its .git in it.",
};

/** The problem that git reports of a repository. */
export function repositoryProblem(
  dir: string,
  outcome: { readonly stderr: string; readonly exitCode: number | null },
): ProjectProblem {
  const distrusted = distrustedFolder(outcome.stderr);
  if (distrusted === undefined) return brokenProblem(dir, gitReason(outcome));
  return {
    code: "failed_precondition",
    reason: `git does not trust '${distrusted}', which another user owns`,
    hint: `Run \`git config --global --add safe.directory ${shellWord(distrusted)}\` if you do.`,
  };
}

export function brokenProblem(dir: string, reason: string): ProjectProblem {
  return { code: "failed_precondition", reason, hint: `Run \`git -C ${shellWord(dir)} status\`, and mend it.` };
}

/** A repository on which git itself would hang. */
export function hangingProblem(reason: string): ProjectProblem {
  return { code: "failed_precondition", reason, hint: "Remove it, or give the path of another checkout." };
}

/** The folder that git refuses because another user owns it, if that is the reason. */
function distrustedFolder(stderr: string): string | undefined {
  const [, path, oldPath] =
    /^fatal: (?:detected dubious ownership in repository at '(.*)'|unsafe repository \('(.*)' is owned)/m.exec(
      stderr,
    ) ?? [];
  return path ?? oldPath;
}
