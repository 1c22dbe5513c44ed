import { begun, Deferred } from "../../core/async.ts";
import { toWire } from "../../core/wire-case.ts";
import { framesOf } from "../../guest/frames.ts";
import { decodeTree } from "../../guest/tree/decode.ts";
import { encodeTree, wirePath } from "../../guest/tree/encode.ts";
import type { GuestItem, TreeReadRequest, TreeWriteAnswer, TreeWriteHeader } from "../../guest/tree/messages.ts";
import { requireRunning, type WorkspaceCall } from "../control/access.ts";
import { call, SupervisorCall } from "../control/client.ts";
import type { VerbInput } from "../control/protocol.ts";
import { exportSchema } from "../record/journal.ts";
import { type ExportReport, fileVerbs } from "./verbs.ts";

export interface ReadRequest extends Omit<TreeReadRequest, "paths"> {
  readonly paths: readonly Buffer[];
}

/** Reads entries of the workspace's tree from its guest. */
export async function* readTree(wanted: WorkspaceCall, request: ReadRequest): AsyncGenerator<GuestItem> {
  const { connection } = await requireRunning(wanted);
  const { signal } = wanted;
  yield* decodeTree(framesOf(new SupervisorCall(connection, fileVerbs.readTree, asSent(request), { signal })));
}

/** Entries of the workspace's tree on their way to the host. */
export interface TreeExport extends Disposable {
  readonly items: AsyncIterable<GuestItem>;
  /** How many paths the guest could not read, once all items have come */
  readonly skippedCount: number;
  /** Records the outcome of the export in the workspace's history */
  report(report: ExportReport): Promise<void>;
}

export async function exportTree(
  wanted: WorkspaceCall,
  { allowSecrets, ...request }: ReadRequest & { readonly allowSecrets: boolean },
): Promise<TreeExport> {
  const { connection } = await requireRunning(wanted);
  const reported = new Deferred<ExportReport>();
  const body = (async function* () {
    yield Buffer.from(JSON.stringify(toWire(exportSchema, await reported.promise)));
  })();
  const input = { ...asSent(request), allowSecrets };
  const made = new SupervisorCall(connection, fileVerbs.exportTree, input, { signal: wanted.signal, body });
  let skippedCount = 0;
  const items = decodeTree(framesOf(made), (end) => {
    skippedCount = end.skippedCount;
  });
  return {
    items,
    get skippedCount() {
      return skippedCount;
    },
    async report(report) {
      reported.resolve(report);
      await made.result();
    },
    [Symbol.dispose]: () => made.close(),
  };
}

/**
 * Writes a tree into the workspace, all of it or nothing. It reads
 * `items` once the supervisor is ready. `verb` says whether it becomes part of the baseline.
 */
export async function writeTree(
  wanted: WorkspaceCall,
  edit: VerbInput<typeof fileVerbs.writeTree>,
  header: TreeWriteHeader,
  items: AsyncIterable<GuestItem>,
  verb: "writeTree" | "writeBaseline" = "writeTree",
): Promise<TreeWriteAnswer> {
  const { connection } = await requireRunning(wanted);
  const { signal } = wanted;
  const body = (async function* () {
    // The supervisor calls the guest at the first bytes, which a large archive only yields after a
    // long scan.
    yield* encodeTree(header, await begun(items));
  })();
  return call(connection, fileVerbs[verb], edit, { signal, body });
}

function asSent({ paths, ...request }: ReadRequest): TreeReadRequest {
  return { ...request, paths: paths.map(wirePath) };
}
