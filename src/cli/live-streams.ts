import { fstatSync } from "node:fs";
import type { LiveStreams } from "../operations/operation.ts";
import { ownTerminal, write } from "./own-terminal.ts";

/** Connects a guest command to this process's own standard streams, at the pace of their reader. */
export function liveStreams(): LiveStreams {
  return {
    stdin: hasInput() ? process.stdin : undefined,
    onStdout: (chunk) => write(process.stdout, chunk),
    onStderr: (chunk) => write(process.stderr, chunk),
    terminal: ownTerminal(),
  };
}

/**
 * A pipe, socket or file is input for the command. A terminal is not, because the guest's side has
 * none.
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
