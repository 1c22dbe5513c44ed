import { once } from "node:events";
import { fstatSync } from "node:fs";
import type { LiveStreams } from "../operations/operation.ts";
import type { Stop } from "./process-end.ts";

/** Connects a guest command to this process's own standard streams, at the pace of whoever reads them. */
export function liveStreams(stop: Stop): LiveStreams {
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read our output has gone: nobody wants the rest, as with any program in a pipeline.
    stream.on("error", () => stop.request("SIGPIPE"));
  }
  return {
    stdin: hasInput() ? process.stdin : undefined,
    onStdout: (chunk) => write(process.stdout, chunk),
    onStderr: (chunk) => write(process.stderr, chunk),
  };
}

async function write(stream: NodeJS.WriteStream, chunk: Buffer): Promise<void> {
  if (stream.write(chunk) || stream.destroyed) return;
  await Promise.race([once(stream, "drain"), once(stream, "close")]);
}

/** A pipe, socket or file is meant for the command; a terminal is not, since there is no terminal on the other side. */
function hasInput(): boolean {
  try {
    const stats = fstatSync(0);
    return stats.isFIFO() || stats.isFile() || stats.isSocket();
  } catch {
    // standard input is closed
    return false;
  }
}
