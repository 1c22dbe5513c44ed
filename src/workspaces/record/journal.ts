import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SerialQueue } from "../../core/async.ts";
import { systemErrorCode } from "../../core/errors.ts";
import { checkWire, fromWire, toWire } from "../../core/wire-case.ts";
import { commandEndSchema } from "../../guest/messages.ts";

const journalName = "journal.jsonl";

export const begunCommandSchema = z.object({ sequence: z.number(), command: z.array(z.string()), cwd: z.string() });

/** How a command ended, and how much it wrote. The output itself is in files of its own. */
export const recordedEndSchema = commandEndSchema.extend({ stdoutBytes: z.number(), stderrBytes: z.number() });

const treeCounts = { entryCount: z.number(), bytesWritten: z.number() };

export const editSchema = z.object({
  kind: z.enum(["sync_push", "file_write", "patch_apply"]),
  path: z.string(),
  ...treeCounts,
});

export const exportSchema = z.object({ path: z.string(), outputPath: z.string(), ...treeCounts });

const endSchema = recordedEndSchema.extend({ sequence: z.number() });
const at = z.string();

const journalLineSchema = checkWire(
  z.discriminatedUnion("event", [
    z.object({ event: z.literal("command"), at, command: begunCommandSchema }),
    z.object({ event: z.literal("command_end"), at, end: endSchema }),
    z.object({ event: z.literal("edit"), at, edit: editSchema }),
    z.object({ event: z.literal("export"), at, export: exportSchema }),
  ]),
  "journal line",
);
export type JournalLine = z.output<typeof journalLineSchema>;

type EventName = JournalLine["event"];
/** The line of one event. */
export type LineOf<E extends EventName> = Extract<JournalLine, { readonly event: E }>;
/** A line before it has its time. */
export type JournalEvent = { [E in EventName]: Omit<LineOf<E>, "at"> }[EventName];

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

  async append(event: JournalEvent): Promise<void> {
    const text = encodeLine({ ...event, at: new Date().toISOString() });
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

export function encodeLine(line: JournalLine): string {
  return `${JSON.stringify(toWire(journalLineSchema, line))}\n`;
}

/**
 * Reads a history, which is empty if there is no file. It leaves out a line that a crash has cut
 * off, which was never acknowledged.
 */
export async function readJournal(historyDir: string): Promise<readonly JournalLine[]> {
  const text = await readFile(join(historyDir, journalName), "utf8").catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return "";
    throw error;
  });
  return parseJournal(text);
}

/** A line that a crash cut off was never acknowledged, and is left out. */
export function parseJournal(text: string): readonly JournalLine[] {
  return text.split("\n").flatMap((line) => parseLine(line) ?? []);
}

function parseLine(line: string): JournalLine | undefined {
  if (line === "") return undefined;
  try {
    return fromWire(journalLineSchema, JSON.parse(line));
  } catch {
    return undefined;
  }
}

export interface JournaledCommand extends z.output<typeof begunCommandSchema> {
  readonly startedAt: string;
  /** undefined while it runs */
  readonly end: (z.output<typeof recordedEndSchema> & { readonly endedAt: string }) | undefined;
}

/** Commands in the order in which they began. */
export function commandsOf(lines: readonly JournalLine[]): readonly JournaledCommand[] {
  const commands = new Map<number, JournaledCommand>();
  for (const line of lines) {
    switch (line.event) {
      case "command":
        commands.set(line.command.sequence, { ...line.command, startedAt: line.at, end: undefined });
        break;
      case "command_end": {
        const begun = commands.get(line.end.sequence);
        if (begun) commands.set(begun.sequence, { ...begun, end: { ...line.end, endedAt: line.at } });
        break;
      }
      case "edit":
      case "export":
        break;
    }
  }
  return [...commands.values()];
}
