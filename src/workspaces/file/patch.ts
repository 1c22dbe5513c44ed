import { PyroError } from "../../core/errors.ts";
import type { Expectation, GuestEntry, GuestItem } from "../../guest/tree/messages.ts";
import { noContent } from "../../tree/entry.ts";
import { parsePatch } from "../../tree/patch/parse/parse.ts";
import { type PatchedEntry, type PlannedChange, pathsOf, planPatch } from "../../tree/patch/plan.ts";
import { pathKey } from "../../tree/path.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { refuseMarker, withoutSecretsInErrors } from "../secret/caller.ts";
import { readTree, writeTree } from "./caller.ts";
import { displayed } from "./entry.ts";
import { pieces } from "./files.ts";
import { contentOf } from "./reading/tree-files.ts";
import type { AppliedPatch } from "./results.ts";

/** Of a file that is patched as text */
const maxFileBytes = 16 * 1024 * 1024;

interface Found {
  readonly entry: GuestEntry;
  readonly before: PatchedEntry;
}

/** Applies a patch, all of it or nothing, also if files change between the read and the write. */
export async function applyPatch(call: WorkspaceCall, text: string): Promise<AppliedPatch> {
  await refuseMarker(call, "apply patch", [text]);
  const patches = parsePatch(text);
  const found = await readFiles(call, pathsOf(patches));
  // What does not fit is quoted.
  const { changes, adjusted } = await withoutSecretsInErrors(call, async () =>
    planPatch(patches, (path) => found.get(pathKey(path))?.before ?? null),
  );
  const items = (async function* () {
    // Deletions first: what is written may need their places.
    for (const change of changes) if (!change.entry) yield deletion(change, found);
    for (const change of changes) if (change.entry) yield* writing(change, change.entry, found);
  })();
  const entries = changes.map(({ path, status }) => ({ path: displayed(path), status }));
  const edit = {
    kind: "patch_apply",
    path: entries
      .map(({ path }) => path)
      .join(", ")
      .slice(0, 500),
  } as const;
  await writeTree(call, edit, { makeParents: true, removeEmptyParents: true }, items);
  const count = (status: PlannedChange["status"]) => changes.filter((change) => change.status === status).length;
  const counts = { added: count("added"), modified: count("modified"), deleted: count("deleted") };
  return { summary: { total: changes.length, ...counts }, entries, adjusted: [...adjusted] };
}

async function readFiles(call: WorkspaceCall, paths: readonly Buffer[]): Promise<ReadonlyMap<string, Found>> {
  const found = new Map<string, Found>();
  const request = { paths, depth: 0, contentLimit: maxFileBytes, digest: true, follow: false };
  for await (const item of readTree(call, request)) {
    const { entry } = item;
    if (entry.type === "missing") continue;
    if (found.size >= paths.length) throw new PyroError("internal", "the guest sent files that it was not asked for");
    found.set(pathKey(entry.path), { entry, before: await asPatchedEntry(item) });
  }
  return found;
}

async function asPatchedEntry(item: GuestItem): Promise<PatchedEntry> {
  const { type, mode = 0, size = 0, target } = item.entry;
  if (type === "file") {
    const content = await contentOf(item, maxFileBytes);
    return { type, mode, content: size > maxFileBytes ? undefined : content };
  }
  if (type === "symlink") return { type, mode, content: target };
  return { type: type === "directory" ? type : "other", mode };
}

function deletion({ path }: PlannedChange, found: ReadonlyMap<string, Found>): GuestItem {
  return { entry: { path, type: "delete", expect: expectation(path, found) }, content: noContent };
}

function* writing(
  { path }: PlannedChange,
  { type, mode, content }: NonNullable<PlannedChange["entry"]>,
  found: ReadonlyMap<string, Found>,
): Generator<GuestItem> {
  const expect = expectation(path, found);
  if (type === "file") {
    yield { entry: { path, type, mode, size: content.length, expect }, content: () => pieces(content) };
  } else {
    yield { entry: { path, type, target: content, expect }, content: noContent };
  }
}

/** The entry that the plan was made from must still be there when it is overwritten. */
function expectation(path: Buffer, found: ReadonlyMap<string, Found>): Expectation {
  const entry = found.get(pathKey(path))?.entry;
  // A file can take the place of a directory only when the deletions have emptied that.
  if (!entry || entry.type === "directory") return { type: "missing" };
  if (entry.type === "symlink") return { type: "symlink", ...(entry.target ? { target: entry.target } : {}) };
  if (entry.type === "file" && entry.sha256 !== undefined) return { type: "file", sha256: entry.sha256 };
  throw new PyroError("failed_precondition", `cannot apply patch to '${displayed(path)}': it is no file`);
}
