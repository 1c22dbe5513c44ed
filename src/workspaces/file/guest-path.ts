import { posix } from "node:path";
import { PyroError } from "../../core/errors.ts";
import { workspacePath } from "../../core/workspace-path.ts";
import { maxPathBytes, pathProblem } from "../../tree/path.ts";

/**
 * Turns a path that a user gives, absolute or from `/workspace`, into a relative one inside the
 * tree.
 */
export function pathInWorkspace(typed: string): Buffer {
  const absolute = absolutePath(typed);
  const isInside = absolute === workspacePath || absolute.startsWith(`${workspacePath}/`);
  if (typed === "" || !isInside) {
    throw new PyroError("invalid_argument", `cannot use path '${typed}': it is not under ${workspacePath}`, {
      hint: `Give a path under ${workspacePath}, or one relative to it.`,
    });
  }
  return relativeTo(workspacePath, absolute, typed);
}

/** The same for a path anywhere in the machine, from its root. */
export function pathInMachine(typed: string): Buffer {
  return relativeTo("/", absolutePath(typed), typed);
}

function absolutePath(typed: string): string {
  if (typed.length > maxPathBytes) throw tooLong(typed);
  if (typed.includes("\0")) throw new PyroError("invalid_argument", "cannot use a path with a NUL character in it");
  return posix.resolve(workspacePath, typed);
}

function relativeTo(root: string, absolute: string, typed: string): Buffer {
  const relative = Buffer.from(posix.relative(root, absolute), "utf8");
  // At this point only its length can be wrong
  if (pathProblem(relative) !== undefined) throw tooLong(typed);
  return relative;
}

function tooLong(typed: string): PyroError {
  return new PyroError("invalid_argument", `cannot use path '${typed.slice(0, 100)}…': it is longer than Linux takes`);
}

/** The path of something that is not the workspace itself. */
export function pathBelowWorkspace(typed: string): Buffer {
  const relative = pathInWorkspace(typed);
  if (relative.length > 0) return relative;
  throw new PyroError("invalid_argument", `cannot use path '${typed}': it is the workspace itself`, {
    hint: `Give the path of something in ${workspacePath}.`,
  });
}
