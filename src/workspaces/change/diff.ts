import { join } from "node:path";
import { PyroError } from "../../core/errors.ts";
import type { GuestChange, GuestSide } from "../../guest/tree/messages.ts";
import { pathExists } from "../../host/files.ts";
import { ignoredPaths } from "../../projects/ignored.ts";
import { formatChange } from "../../tree/patch/format.ts";
import { pathKey } from "../../tree/path.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { withProgress } from "../control/progress.ts";
import { pathInWorkspace } from "../file/guest-path.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { treeChanges } from "./caller.ts";
import { gitFolder } from "./fold.ts";
import { type ComparedTree, type FoundChange, listChanges } from "./listing.ts";
import { redactedChanges } from "./redacted-changes.ts";

/** Files larger than this, on either side, are reported without their content */
const diffContentBytes = 4 * 1024 * 1024;
/** Limit for all patches of one kind together; later changes are reported without content too */
const maxPatchBytes = 64 * 1024 * 1024;

/** More changes are no use to a reader */
const maxChanges = 200_000;

/**
 * Compares with the tree that the workspace began as. Paths, if given, limit the result to what is
 * at or below them.
 */
export async function diffWorkspace(call: WorkspaceCall, typed?: readonly string[]): Promise<ComparedTree> {
  const paths = typed?.map(pathInWorkspace);
  const found: FoundChange[] = [];
  let changeCount = 0;
  // New files come in any number, and must not take the place of edits.
  const patchBytes = { added: 0, changed: 0 };
  const compared = await treeChanges(call, diffContentBytes);
  let redactedCount = 0;
  const changes = withProgress(compared.changes, "compare", call.onProgress);
  const onFound = (count: number) => {
    redactedCount += count;
  };
  const shown = compared.record.secrets.length > 0 ? redactedChanges(call, changes, onFound) : changes;
  for await (const change of shown) {
    changeCount += 1;
    if (changeCount > maxChanges) throw tooManyChanges();
    if (paths && !paths.some((path) => isAtOrBelow(change.path, path))) continue;
    const key = pathKey(change.path);
    const kind = change.status === "added" ? "added" : "changed";
    const isOmitted = patchBytes[kind] > maxPatchBytes || lacksContent(change);
    const isUntold = isOmitted || gitFolder(key) !== "";
    const formatted = isUntold ? { textPatch: null, patch: null } : formatChange(withContent(change));
    patchBytes[kind] += formatted.patch?.length ?? 0;
    const { oldContent: _, newContent: __, ...rest } = change;
    found.push({ change: rest, key, ...formatted, isOmitted });
  }
  const ignored = await ignoredByProject(compared.record, found, call.signal);
  return { ...listChanges(found, ignored), uncomparedCount: compared.skippedCount, redactedCount };
}

/**
 * Finds the new files that the project ignores. What a build leaves behind is no part of a change.
 * It may also be in the checkout already, and git would then refuse all of the patch.
 */
async function ignoredByProject(
  { seed }: Pick<WorkspaceRecord, "seed">,
  found: readonly FoundChange[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const root = await checkoutOf(seed);
  if (root === null) return new Set();
  const added = found.filter(({ change }) => change.status === "added");
  const asked = added.map(({ change: { path, new: now } }) =>
    now?.type === "directory" ? Buffer.concat([path, Buffer.from("/")]) : path,
  );
  const answer = await ignoredPaths(root, asked, { signal });
  return new Set([...answer].map((key) => key.replace(/\/$/, "")));
}

/** The checkout whose files the workspace began with, if it began with all of one. */
async function checkoutOf({ originKind, originRef, mode, seedPath }: WorkspaceRecord["seed"]): Promise<string | null> {
  if (originKind === "project_path") return originRef;
  if (mode !== "directory" || seedPath === null) return null;
  return (await pathExists(join(seedPath, ".git"))) ? seedPath : null;
}

function isAtOrBelow(path: Buffer, top: Buffer): boolean {
  const isInside = path.length === top.length || path[top.length] === slash;
  return top.length === 0 || (isInside && path.subarray(0, top.length).equals(top));
}

const slash = 0x2f;

function tooManyChanges(): PyroError {
  return new PyroError("resource_exhausted", `cannot compare: more than ${maxChanges} files have changed`, {
    hint: "Remove what was generated, or compare an export.",
  });
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
