import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SerialQueue } from "../../core/async.ts";
import { systemErrorCode } from "../../core/errors.ts";
import { fromWire, toWire } from "../../core/wire-case.ts";

export const editKinds = ["sync_push", "file_write", "patch_apply"] as const;

const journalName = "journal.jsonl";

/** How a command ended. Its output is in files of its own. */
export const commandEndSchema = z.object({
  exitCode: z.number().nullable(),
  signal: z.string().nullable(),
  timedOut: z.boolean(),
  cancelled: z.boolean(),
  oomKilled: z.boolean(),
  startError: z.string().nullable(),
  /** Why its writes may not be on the disks */
  syncError: z.string().nullable(),
  /** Why its end is unknown */
  unknownReason: z.string().nullable(),
  durationMs: z.number(),
  stdoutBytes: z.number(),
  stderrBytes: z.number(),
});
export type CommandEnd = z.output<typeof commandEndSchema>;

/** One line of the journal; which fields it has follows from `event`. */
const journalLineSchema = z.object({
  event: z.enum(["command", "command_end", "edit", "export"]),
  at: z.string(),
  command: z.object({ sequence: z.number(), command: z.array(z.string()), cwd: z.string() }).optional(),
  end: commandEndSchema.extend({ sequence: z.number() }).optional(),
  edit: z
    .object({ kind: z.enum(editKinds), path: z.string(), entryCount: z.number(), bytesWritten: z.number() })
    .optional(),
  export: z
    .object({ path: z.string(), outputPath: z.string(), entryCount: z.number(), bytesWritten: z.number() })
    .optional(),
});
export type JournalLine = z.output<typeof journalLineSchema>;

/** Appends to a workspace's history. The operating system has each line before the call returns. */
export class JournalWriter implements AsyncDisposable {
  readonly #file: FileHandle;
  /** Whether the file ends with a whole line */
  #isWhole = true;
  readonly #writes = new SerialQueue();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(historyDir: string): Promise<JournalWriter> {
    const file = await open(join(historyDir, journalName), "a+", 0o600);
    // A crash can leave half a line, which must not swallow the next one.
    const { size } = await file.stat();
    const { buffer } = size === 0 ? { buffer: Buffer.from("\n") } : await file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (buffer[0] !== 0x0a) await file.appendFile("\n");
    return new JournalWriter(file);
  }

  async append(line: Omit<JournalLine, "at">): Promise<void> {
    const complete: JournalLine = { ...line, at: new Date().toISOString() };
    const text = `${JSON.stringify(toWire(journalLineSchema, complete))}\n`;
    await this.#writes.run(() => this.#write(text));
  }

  async #write(text: string): Promise<void> {
    const start = this.#isWhole ? "" : "\n";
    this.#isWhole = false;
    await this.#file.appendFile(start + text);
    this.#isWhole = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** Reads a history. It leaves out a line that a crash has cut off, which was never acknowledged. */
export async function readJournal(historyDir: string): Promise<readonly JournalLine[]> {
  const text = await readFile(join(historyDir, journalName), "utf8").catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return "";
    throw error;
  });
  const lines: JournalLine[] = [];
  for (const line of text.split("\n")) {
    const parsed = parseLine(line);
    if (parsed) lines.push(parsed);
  }
  return lines;
}

function parseLine(line: string): JournalLine | undefined {
  if (line === "") return undefined;
  try {
    return fromWire(journalLineSchema, JSON.parse(line));
  } catch {
    return undefined;
  }
}

export interface JournaledCommand {
  readonly sequence: number;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly startedAt: string;
  /** undefined while it runs */
  readonly end: (CommandEnd & { readonly endedAt: string }) | undefined;
}

/** Commands in the order in which they began. */
export function commandsOf(lines: readonly JournalLine[]): readonly JournaledCommand[] {
  const commands = new Map<number, JournaledCommand>();
  for (const { at, command, end } of lines) {
    if (command) commands.set(command.sequence, { ...command, startedAt: at, end: undefined });
    const begun = end && commands.get(end.sequence);
    if (begun) commands.set(begun.sequence, { ...begun, end: { ...end, endedAt: at } });
  }
  return [...commands.values()];
}
