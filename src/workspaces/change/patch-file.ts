import { resolve } from "node:path";
import type { TreeItem } from "../../tree/entry.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { writeOnHost } from "../file/write-on-host.ts";

/** Writes a patch to a path of the host where nothing is. Returns the absolute path. */
export async function writePatch(
  call: Pick<WorkspaceCall, "context" | "signal">,
  patch: string,
  output: string,
): Promise<string> {
  const outputPath = resolve(output);
  const data = Buffer.from(patch);
  const limits = { maxEntries: 1, maxBytes: data.length };
  await writeOnHost(call, oneFile(data), outputPath, limits);
  return outputPath;
}

async function* oneFile(data: Buffer): AsyncGenerator<TreeItem> {
  yield {
    path: Buffer.alloc(0),
    type: "file",
    mode: 0o644,
    size: data.length,
    mtimeNs: BigInt(Date.now()) * 1_000_000n,
    async *content() {
      if (data.length > 0) yield { data };
    },
  };
}
