import { PyroError } from "../../core/errors.ts";
import type { GuestChange, GuestSide } from "../../guest/tree/messages.ts";
import { ignoredPaths } from "../../projects/ignored.ts";
import { formatChange } from "../../tree/patch/format.ts";
import { pathKey } from "../../tree/path.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { withProgress } from "../control/progress.ts";
import { displayed } from "../file/entry.ts";
import { pathInWorkspace } from "../file/guest-path.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { treeChanges } from "./caller.ts";
import type { ChangeEntry, ChangeSummary, WorkspaceDiff } from "./changes.ts";

/** Files larger than this, on either side, are reported without their content */
const diffContentBytes = 4 * 1024 * 1024;
/** Limit for all patches together; later changes are reported without content too */
const maxPatchBytes = 64 * 1024 * 1024;

/** More changes are no use to a reader */
const maxChanges = 200_000;

/**
 * Compares with the tree that the workspace began as. Paths, if given, limit the result to what is
 * at or below them.
 */
export async function diffWorkspace(call: WorkspaceCall, typed?: readonly string[]): Promise<WorkspaceDiff> {
  const paths = typed?.map(pathInWorkspace);
  const changes: FormattedChange[] = [];
  let changeCount = 0;
  let patchBytes = 0;
  let truncated = false;
  const { record, changes: reported } = await treeChanges(call, diffContentBytes);
  for await (const change of withProgress(reported, "compare", call.onProgress)) {
    changeCount += 1;
    if (changeCount > maxChanges) throw tooManyChanges();
    if (paths && !paths.some((path) => isAtOrBelow(change.path, path))) continue;
    const isOmitted = patchBytes > maxPatchBytes || lacksContent(change);
    const formatted = isOmitted ? { textPatch: null, patch: null } : formatChange(withContent(change));
    truncated ||= isOmitted;
    patchBytes += formatted.patch?.length ?? 0;
    const { oldContent: _, newContent: __, ...rest } = change;
    const patch = isOfGit(change.path) ? null : formatted.patch;
    changes.push({ change: rest, textPatch: formatted.textPatch, patch });
  }
  changes.sort((a, b) => Buffer.compare(a.change.path, b.change.path));
  const ignored = await ignoredByProject(record, changes, call.signal);
  const isIgnored = ({ path }: GuestChange) => ignored.has(pathKey(path));
  return {
    changed: changes.length > 0,
    summary: summarizeChanges(changes),
    entries: changes.map(({ change, textPatch }) => ({
      ...describeChange(change),
      textPatch,
      ignored: isIgnored(change),
    })),
    patch: changes.map(({ change, patch }) => (isIgnored(change) ? "" : (patch ?? ""))).join(""),
    truncated,
  };
}

interface FormattedChange {
  readonly change: GuestChange;
  readonly textPatch: string | null;
  readonly patch: string | null;
}

/**
 * Finds the new files that the project ignores. What a build leaves behind is no part of a change.
 * It may also be in the checkout already, and git would then refuse all of the patch.
 */
async function ignoredByProject(
  { seed }: Pick<WorkspaceRecord, "seed">,
  changes: readonly FormattedChange[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  if (seed.originKind !== "project_path" || seed.originRef === null) return new Set();
  const added = changes.filter(({ change }) => change.status === "added");
  return ignoredPaths(
    seed.originRef,
    added.map(({ change }) => change.path),
    { signal },
  );
}

function isAtOrBelow(path: Buffer, top: Buffer): boolean {
  const isInside = path.length === top.length || path[top.length] === slash;
  return top.length === 0 || (isInside && path.subarray(0, top.length).equals(top));
}

const slash = 0x2f;

/** git takes no patch for what is in a folder of that name, in upper or lower case. */
function isOfGit(path: Buffer): boolean {
  return pathKey(path)
    .split("/")
    .some((name) => name.toLowerCase() === ".git");
}

function tooManyChanges(): PyroError {
  return new PyroError("resource_exhausted", `cannot compare: more than ${maxChanges} files have changed`, {
    hint: "Remove what was generated, or compare an export.",
  });
}

/** A change without what is in the files. */
function describeChange({ path, status, old, new: now }: GuestChange): ChangeEntry {
  return { path: displayed(path), status, artifactType: (now ?? old)?.type ?? "other" };
}

function summarizeChanges(
  changes: readonly { readonly change: GuestChange; readonly textPatch: string | null }[],
): ChangeSummary {
  const count = (status: GuestChange["status"]) => changes.filter(({ change }) => change.status === status).length;
  const textPatched = changes.filter(({ textPatch }) => textPatch !== null).length;
  return {
    total: changes.length,
    added: count("added"),
    modified: count("modified"),
    deleted: count("deleted"),
    typeChanged: count("type_changed"),
    textPatched,
    nonText: changes.length - textPatched,
  };
}

/** Whether the guest left a file's content out because it is above the limit. */
function lacksContent({ old, new: now, contentChanged, oldContent, newContent }: GuestChange): boolean {
  const isMissing = (side: GuestSide | null, content: Buffer | undefined) =>
    side?.type === "file" && content === undefined;
  return contentChanged && (isMissing(old, oldContent) || isMissing(now, newContent));
}

function withContent({ path, status, old, new: now, contentChanged, oldContent, newContent }: GuestChange) {
  // If only the mode has changed, any content will do that is the same on both sides.
  const same = contentChanged ? undefined : Buffer.alloc(0);
  return { path, status, old: sideOf(old, oldContent ?? same), new: sideOf(now, newContent ?? same) };
}

function sideOf(side: GuestSide | null, content: Buffer | undefined) {
  if (!side) return null;
  return { type: side.type, mode: side.mode, content: side.type === "symlink" ? side.target : content };
}
