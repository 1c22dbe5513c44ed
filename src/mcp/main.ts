import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { composePatienceMs, composeSandboxContext } from "../compose.ts";
import { type ToolsetChoice, toolsetOf } from "../operations/toolsets.ts";
import type { ToolCalls } from "./calls.ts";
import { type ProjectFlags, requireOneSource, startOf } from "./project.ts";
import { createServer } from "./server.ts";

export type ServeFlags = ProjectFlags & ToolsetChoice;

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Ends the server */
  readonly signal: AbortSignal;
}

/** Clients kill a server some hundred milliseconds after they have asked it to end */
const endMs = 300;

/** Serves a client on standard input and output until it has gone. Throws for flags that do not go together, before anything is answered. */
export async function serve(flags: ServeFlags, { env, cwd, signal }: Surroundings): Promise<void> {
  const toolset = toolsetOf(flags);
  requireOneSource(flags);
  const sandbox = composeSandboxContext(env);
  const patienceMs = composePatienceMs(env);
  const start = startOf(flags, cwd);
  // What a user asked for and cannot have is said at once; what is found by itself is not waited for.
  if (flags.projectPath !== undefined || flags.repoUrl !== undefined) await start;
  const begun: ToolCalls[] = [];
  const gone = clientGone(signal);
  if (process.stdin.isTTY) process.stderr.write("[mcp] waiting for an MCP client on standard input\n");
  const connection = serveStdio(
    () => {
      const { server, calls } = createServer({ sandbox, toolset, start, patienceMs });
      begun.push(calls);
      return server;
    },
    { onerror: ({ message }) => process.stderr.write(`[mcp] ${message}\n`) },
  );
  await gone;
  await Promise.all(begun.map((calls) => calls.end(endMs)));
  await connection.close();
}

function clientGone(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ["end", "close", "error"]) process.stdin.once(event, () => resolve());
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
}
