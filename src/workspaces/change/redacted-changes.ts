import type { GuestChange, GuestSide } from "../../guest/tree/messages.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { findSecrets } from "../secret/caller.ts";
import { withoutRanges } from "../secret/matcher.ts";

/** Changes go to the supervisor in groups of this size, because each call takes a connection */
const groupBytes = 8 * 1024 * 1024;
const groupCount = 5_000;

/**
 * The same changes without the values of secrets in names and contents. Contents are changed before
 * they become a patch, whose lines would cut a value of several lines into pieces. `onFound` is
 * told how many places had one.
 */
export async function* redactedChanges(
  call: WorkspaceCall,
  changes: AsyncIterable<GuestChange>,
  onFound: (count: number) => void,
): AsyncGenerator<GuestChange> {
  let [group, bytes]: [GuestChange[], number] = [[], 0];
  for await (const change of changes) {
    group.push(change);
    bytes += (change.oldContent?.length ?? 0) + (change.newContent?.length ?? 0);
    if (bytes < groupBytes && group.length < groupCount) continue;
    yield* redactedGroup(call, group, onFound);
    [group, bytes] = [[], 0];
  }
  yield* redactedGroup(call, group, onFound);
}

async function* redactedGroup(
  call: WorkspaceCall,
  changes: readonly GuestChange[],
  onFound: (count: number) => void,
): AsyncGenerator<GuestChange> {
  if (changes.length === 0) return;
  const parts = changes.flatMap(partsOf);
  const { ranges } = await findSecrets(call, parts);
  const redacted = parts.map((part, index) => withoutRanges(part, ranges[index] ?? []));
  onFound(ranges.flat().length);
  for (const change of changes) yield withParts(change, redacted.splice(0, partsOf(change).length));
}

/** All bytes of a change that can have a value, in one order. */
function partsOf({ path, old, new: now, oldContent, newContent }: GuestChange): readonly Buffer[] {
  return [path, old?.target, now?.target, oldContent, newContent].filter((part) => part !== undefined);
}

function withParts(change: GuestChange, parts: readonly Buffer[]): GuestChange {
  const left = [...parts];
  const next = (part: Buffer | undefined) => part && left.shift();
  const path = next(change.path) ?? change.path;
  const old = withTarget(change.old, next(change.old?.target));
  const now = withTarget(change.new, next(change.new?.target));
  const [oldContent, newContent] = [next(change.oldContent), next(change.newContent)];
  return { ...change, path, old, new: now, ...(oldContent && { oldContent }), ...(newContent && { newContent }) };
}

function withTarget(side: GuestSide | null, target: Buffer | undefined): GuestSide | null {
  return side && target ? { ...side, target } : side;
}
