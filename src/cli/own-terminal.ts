import { once } from "node:events";
import type { LiveStreams, OpenTerminal } from "../operations/operation.ts";

/**
 * Brings a terminal back to its usual modes, whatever a program left behind: the main screen, no
 * mouse or focus reports, no bracketed paste, usual keys, a visible cursor and plain text.
 */
const usualModes =
  "\x1b[?1049l\x1b[?1000;1002;1003;1004;1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[>4m\x1b[=0u\x1b[?25h\x1b[0m\r\n";

/** Resolves when the stream takes more. Unlike `drain`, a failed write calls back too. */
export function write(stream: NodeJS.WriteStream, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (stream.write(chunk, () => resolve())) resolve();
  });
}

/** The terminal of this process; undefined if its input or its output is none. */
export function ownTerminal(): LiveStreams["terminal"] {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY) return undefined;
  return { size: () => sizeOf(stdout), open: () => openRaw(stdin, stdout) };
}

function sizeOf({ columns, rows }: NodeJS.WriteStream): { cols: number; rows: number } {
  return { cols: columns, rows };
}

/** Every key goes to the guest until this is disposed of. */
function openRaw(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream): OpenTerminal {
  const closed = new AbortController();
  const listeners: (() => void)[] = [];
  stdin.setRawMode(true);
  return {
    keys: keysOf(stdin, closed.signal),
    onResize(resized) {
      const listener = () => resized(sizeOf(stdout));
      listeners.push(listener);
      stdout.on("resize", listener);
    },
    print: (bytes) => write(stdout, bytes),
    [Symbol.dispose]() {
      closed.abort();
      for (const listener of listeners) stdout.off("resize", listener);
      stdin.setRawMode(false);
      stdin.pause();
      stdout.write(usualModes);
    },
  };
}

async function* keysOf(stdin: NodeJS.ReadStream, signal: AbortSignal): AsyncGenerator<Buffer> {
  while (!signal.aborted) {
    const chunk = stdin.read() as Buffer | null;
    if (chunk) yield chunk;
    else if (stdin.readableEnded) return;
    else await once(stdin, "readable", { signal }).catch(() => {});
  }
}
