import {
  decodeChanges,
  decodeTree,
  encodeTree,
  type GuestChange,
  type GuestItem,
  type TreeReadRequest,
  type TreeWriteAnswer,
  type TreeWriteHeader,
  wirePath,
} from "../../guest/tree.ts";
import type { EngineContext } from "../../machines/context.ts";
import { requireRunning } from "../control/access.ts";
import { call, callSupervisor } from "../control/client.ts";
import type { VerbInput } from "../control/protocol.ts";

/** A workspace, and who wants something of it. */
export interface WorkspaceCall {
  readonly context: EngineContext;
  readonly workspaceId: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadRequest extends Omit<TreeReadRequest, "paths"> {
  readonly paths: readonly Buffer[];
}

/** Entries of the workspace's tree, as its guest tells them. */
export async function* readTree(
  { context, workspaceId, signal }: WorkspaceCall,
  { paths, ...request }: ReadRequest,
): AsyncGenerator<GuestItem> {
  const { socket } = await requireRunning(context, workspaceId, signal);
  yield* decodeTree(callSupervisor(socket, "readTree", { ...request, paths: paths.map(wirePath) }, { signal }));
}

/** What differs from the tree that the workspace began as; contents only of files up to the limit. */
export async function* treeChanges(
  { context, workspaceId, signal }: WorkspaceCall,
  contentLimit: number,
): AsyncGenerator<GuestChange> {
  const { socket } = await requireRunning(context, workspaceId, signal);
  yield* decodeChanges(callSupervisor(socket, "treeChanges", { contentLimit }, { signal }), contentLimit);
}

/** Writes a tree into the workspace, all of it or nothing. */
export async function writeTree(
  { context, workspaceId, signal }: WorkspaceCall,
  edit: VerbInput<"writeTree">,
  header: TreeWriteHeader,
  items: AsyncIterable<GuestItem>,
): Promise<TreeWriteAnswer> {
  const { socket } = await requireRunning(context, workspaceId, signal);
  return call(socket, "writeTree", edit, { signal, body: encodeTree(header, items) });
}
