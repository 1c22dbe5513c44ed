import { flagName } from "../operations/command-line.ts";
import { serveClient } from "./serving/connection.ts";
import { type ServerFlags, setUpServer } from "./serving/setup.ts";
import { PacedTransport } from "./stdio/paced-transport.ts";

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborts to end the server */
  readonly signal: AbortSignal;
}

/**
 * Limit for a message: the largest file that a call may write takes up to twice its size in JSON,
 * unless it is full of control characters
 */
const maxMessageBytes = 32 * 1024 * 1024;
const maxComplaintChars = 200;
const maxUnreadComplaintBytes = 64 * 1024;
/**
 * Serves a client on standard input and output until it has gone. Fails before the first answer if
 * flags exclude each other.
 */
export async function serve(flags: ServerFlags, { env, cwd, signal }: Surroundings): Promise<void> {
  const setup = await setUpServer(flags, { env, cwd, nameFlag: flagName });
  if (process.stdin.isTTY) process.stderr.write("[mcp] waiting for an MCP client on standard input\n");
  const transport = new PacedTransport(process.stdin, process.stdout, { maxMessageBytes });
  const client = serveClient(setup, transport, ({ message }) => complain(message));
  await Promise.race([client.closed, aborted(signal)]);
  await client.close();
}

/** Says what is wrong, unless standard error is not read either. */
function complain(message: string): void {
  if (process.stderr.writableLength > maxUnreadComplaintBytes) return;
  process.stderr.write(`[mcp] ${message.split("\n", 1)[0]?.slice(0, maxComplaintChars)}\n`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
}
