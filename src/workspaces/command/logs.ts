import { PyroError } from "../../core/errors.ts";
import { currentRecord, type WorkspaceCall } from "../control/access.ts";
import { call } from "../control/client.ts";
import { connectSupervisor } from "../control/connection.ts";
import { commandsOf, type JournaledCommand, readJournal } from "../record/journal.ts";
import { WorkspacePlace } from "../record/store.ts";
import type { OutputStream } from "./kept-output.ts";
import { type KeptOutput, KeptOutputs } from "./kept-output-pages.ts";
import { commandVerbs } from "./verbs.ts";

/** Limit for all commands together; the output of older ones is left out */
const maxLoggedBytes = 64 * 1024 * 1024;

export interface LogRequest {
  /** Only this command */
  readonly sequence?: number | undefined;
  /** How long to wait for the end of that command, or of the last one */
  readonly waitMs?: number | undefined;
  /** Only this stream */
  readonly stream?: OutputStream | undefined;
  /** First byte to read of each stream */
  readonly offset?: number | undefined;
  /** Limit for each stream */
  readonly maxBytes?: number | undefined;
  /** Limit for each stream, counted from its end */
  readonly lastBytes?: number | undefined;
}

export interface LoggedCommand extends JournaledCommand {
  readonly stdout: KeptOutput;
  readonly stderr: KeptOutput;
}

/**
 * Reads the commands since the last reset with their output, even if the workspace does not run.
 */
export async function commandLogs(wanted: WorkspaceCall, request: LogRequest = {}): Promise<readonly LoggedCommand[]> {
  const { sequence, waitMs = 0 } = request;
  const now = await readCommands(wanted, sequence);
  const last = now.commands.at(-1);
  if (waitMs === 0 || !last || last.end) return withOutput(now, request);
  await untilEnded(wanted, last.sequence, waitMs);
  return withOutput(await readCommands(wanted, sequence), request);
}

interface History {
  readonly historyDir: string;
  readonly commands: readonly JournaledCommand[];
}

async function readCommands({ context, workspaceId }: WorkspaceCall, sequence: number | undefined): Promise<History> {
  const { resetCount } = await currentRecord(context, workspaceId);
  const historyDir = new WorkspacePlace(context.layout.workspacesDir, workspaceId).historyDir(resetCount);
  const all = commandsOf(await readJournal(historyDir));
  if (sequence === undefined) return { historyDir, commands: all };
  const commands = all.filter((command) => command.sequence === sequence);
  if (commands.length > 0) return { historyDir, commands };
  throw new PyroError("not_found", `there is no command ${sequence} in the history of workspace '${workspaceId}'`, {
    hint: "Ask for its logs without a sequence: they have every command since the last reset.",
  });
}

/** Waits for the end of a command. A workspace that does not run has no command to wait for. */
async function untilEnded({ context, workspaceId, signal }: WorkspaceCall, sequence: number, timeoutMs: number) {
  const connection = await connectSupervisor(new WorkspacePlace(context.layout.workspacesDir, workspaceId));
  if (!connection || !(await connection.isReady(signal))) return;
  await call(connection, commandVerbs.awaitCommand, { sequence, timeoutMs }, { signal }).catch((error: unknown) => {
    if (PyroError.from(error).code !== "unavailable") throw error;
  });
}

async function withOutput(
  { historyDir, commands }: History,
  { stream, offset = 0, maxBytes = Number.POSITIVE_INFINITY, lastBytes }: LogRequest,
): Promise<readonly LoggedCommand[]> {
  const outputs = await KeptOutputs.open(historyDir);
  let roomBytes = maxLoggedBytes;
  const read = async (command: JournaledCommand, name: OutputStream) => {
    const isWanted = stream === undefined || stream === name;
    const page = { offset, lastBytes, maxBytes: isWanted && roomBytes > 0 ? maxBytes : 0 };
    const output = await outputs.read(command.sequence, name, command.end?.[`${name}Bytes`], page);
    roomBytes -= output.bytes.length;
    if (!isWanted) return { ...output, nextOffset: null };
    const isLeftOut = page.maxBytes === 0 && output.totalBytes > offset;
    return isLeftOut ? { ...output, isCut: true } : output;
  };
  const logged: LoggedCommand[] = [];
  // The newest commands get the space first.
  for (const command of commands.toReversed()) {
    logged.push({ ...command, stdout: await read(command, "stdout"), stderr: await read(command, "stderr") });
  }
  return logged.toReversed();
}
