import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { composeEngineContext, composeMayUseHost, composePatienceMs } from "../compose.ts";
import type { NetworkRules } from "../network/policy/rules.ts";
import { type ToolsetChoice, toolsetOf } from "../operations/toolsets.ts";
import { type ProjectFlags, requireOneSource, startOf } from "../projects/start.ts";
import type { ToolCalls } from "./calls.ts";
import { createServer } from "./server.ts";
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
/** Clients kill a server some hundred milliseconds after asking it to end */
const endMs = 300;

/**
 * Serves a client on standard input and output until it has gone. Fails before the first answer if
 * flags exclude each other.
 */
export async function serve(
  flags: ProjectFlags & ToolsetChoice & { readonly network: NetworkRules },
  { env, cwd, signal }: Surroundings,
): Promise<void> {
  const toolset = toolsetOf(flags);
  requireOneSource(flags);
  const engine = composeEngineContext(env);
  const patienceMs = composePatienceMs(env);
  const mayUseHost = composeMayUseHost(env);
  const { network } = flags;
  const start = startOf(flags, cwd);
  // The server reports at once that it cannot use a project that its user named. Detection
  // continues in the background.
  if (flags.projectPath !== undefined || flags.repoUrl !== undefined) await start;
  if (process.stdin.isTTY) process.stderr.write("[mcp] waiting for an MCP client on standard input\n");
  const begun: ToolCalls[] = [];
  const transport = new PacedTransport(process.stdin, process.stdout, { maxMessageBytes });
  const connection = serveStdio(
    ({ era }) => {
      const { server, calls } = createServer({ engine, toolset, start, patienceMs, mayUseHost, network, era });
      begun.push(calls);
      return server;
    },
    { transport, onerror: ({ message }) => complain(message) },
  );
  await connectionEnds(transport, signal);
  await Promise.all(begun.map((calls) => calls.end(endMs)));
  await connection.close();
}

/** Says what is wrong, unless standard error is not read either. */
function complain(message: string): void {
  if (process.stderr.writableLength > maxUnreadComplaintBytes) return;
  process.stderr.write(`[mcp] ${message.split("\n", 1)[0]?.slice(0, maxComplaintChars)}\n`);
}

/** Resolves when the client has gone, when a message is too long, or when this process must end. */
function connectionEnds(transport: PacedTransport, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const { onclose } = transport;
    transport.onclose = () => {
      onclose?.();
      resolve();
    };
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
}
