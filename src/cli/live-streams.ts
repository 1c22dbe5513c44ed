import { fstatSync } from "node:fs";
import type { LiveStreams } from "../operations/operation.ts";

/**
 * Connects a guest command to this process's own standard streams, at the pace of whoever reads
 * them.
 */
export function liveStreams(): LiveStreams {
  return {
    stdin: hasInput() ? process.stdin : undefined,
    onStdout: (chunk) => write(process.stdout, chunk),
    onStderr: (chunk) => write(process.stderr, chunk),
  };
}

/** Resolves when there is room for more; a write that fails calls back too, unlike `drain`. */
function write(stream: NodeJS.WriteStream, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (stream.write(chunk, () => resolve())) resolve();
  });
}

/**
 * A pipe, socket or file is meant for the command; a terminal is not, since there is no terminal on
 * the other side.
 */
function hasInput(): boolean {
  try {
    const stats = fstatSync(0);
    return stats.isFIFO() || stats.isFile() || stats.isSocket();
  } catch {
    // standard input is closed
    return false;
  }
}
