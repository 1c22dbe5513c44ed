import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SerialQueue } from "../../core/async.ts";
import { systemErrorCode } from "../../core/errors.ts";
import { checkWire, fromWire, toWire } from "../../core/wire-case.ts";
import { commandEndSchema } from "../../guest/messages.ts";
import { textOf } from "../../host/files.ts";
import { networkUseSchema } from "../../network/use.ts";

const journalName = "journal.jsonl";
/** The end of a history that mostly has its last command */
const latestBytes = 32 * 1024;

export const begunCommandSchema = z.object({ sequence: z.number(), command: z.array(z.string()), cwd: z.string() });

/** How a command ended, and how much it wrote. The output itself is in files of its own. */
export const recordedEndSchema = commandEndSchema.extend({
  stdoutBytes: z.number(),
  stderrBytes: z.number(),
  // Older journals lack these.
  network: networkUseSchema.default(null),
  redactedCount: z.number().default(0).describe("Places of its output that had the value of a secret"),
});

const treeCounts = { entryCount: z.number(), bytesWritten: z.number() };

export const editSchema = z.object({
  kind: z.enum(["sync_push", "file_write", "patch_apply"]),
  path: z.string(),
  ...treeCounts,
});

export const exportSchema = z.object({ path: z.string(), outputPath: z.string(), ...treeCounts });

/** A service has begun, or has ended. */
export const serviceEventSchema = z.object({
  kind: z.enum(["service_start", "service_stop"]),
  serviceName: z.string(),
  generation: z.number(),
});

const endSchema = recordedEndSchema.extend({ sequence: z.number() });
const at = z.string();

const journalLineSchema = checkWire(
  z.discriminatedUnion("event", [
    z.object({ event: z.literal("command"), at, command: begunCommandSchema }),
    z.object({ event: z.literal("command_end"), at, end: endSchema }),
    z.object({ event: z.literal("edit"), at, edit: editSchema }),
    z.object({ event: z.literal("export"), at, export: exportSchema }),
    z.object({ event: z.literal("service"), at, service: serviceEventSchema }),
  ]),
  "journal line",
);
export type JournalLine = z.output<typeof journalLineSchema>;

type EventName = JournalLine["event"];
/** The line of one event. */
export type LineOf<E extends EventName> = Extract<JournalLine, { readonly event: E }>;
/** A line before it has its time. */
export type JournalEvent = { [E in EventName]: Omit<LineOf<E>, "at"> }[EventName];

/** Appends to a workspace's history. Only this process writes it. */
export class JournalWriter implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #writes = new SerialQueue();
  /** Where the next line goes */
  #length: number;
  /** Whether there may be something of a failed write behind the last line */
  #isLitteredBehind = false;
  /** Lines that could not be written yet */
  #owed = "";
  /** Lines that no sync has made durable yet */
  #unsynced = "";
  /** Whether the system may have dropped these lines: it does so when it fails to write them */
  #areDropped = false;

  private constructor(file: FileHandle, length: number) {
    this.#file = file;
    this.#length = length;
  }

  static async open(historyDir: string): Promise<JournalWriter> {
    const file = await open(join(historyDir, journalName), constants.O_RDWR | constants.O_CREAT, 0o600);
    const { size } = await file.stat();
    const journal = new JournalWriter(file, size);
    // A crash can leave half a line, which must not swallow the next one.
    const { buffer } = size === 0 ? { buffer: Buffer.from("\n") } : await file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (buffer[0] !== 0x0a) await journal.#write("\n");
    return journal;
  }

  /**
   * The operating system has the line before this returns. A power cut can lose it. Returns the
   * line's time.
   */
  async append(event: JournalEvent): Promise<string> {
    const at = new Date().toISOString();
    const text = encodeLine({ ...event, at });
    await this.#writes.run(() => this.#writeAfterOwed(text));
    return at;
  }

  /**
   * Appends what has happened and is to be acknowledged: this line and all earlier ones survive a
   * power cut. If that fails, the next write has the line too.
   */
  async commit(event: JournalEvent): Promise<string> {
    const at = new Date().toISOString();
    const text = encodeLine({ ...event, at });
    await this.#writes.run(async () => {
      this.#owed += text;
      await this.#writeAfterOwed("");
    });
    await this.sync();
    return at;
  }

  /** Makes all lines durable. */
  async sync(): Promise<void> {
    await this.#writes.run(async () => {
      if (this.#areDropped) await this.#writeAt(this.#unsynced, this.#length - Buffer.byteLength(this.#unsynced));
      this.#areDropped = true;
      await this.#file.datasync();
      this.#areDropped = false;
      this.#unsynced = "";
    });
  }

  async #writeAfterOwed(text: string): Promise<void> {
    await this.#write(this.#owed + text);
    this.#owed = "";
  }

  async #write(text: string): Promise<void> {
    const wasLittered = this.#isLitteredBehind;
    this.#isLitteredBehind = true;
    await this.#writeAt(text, this.#length);
    this.#length += Buffer.byteLength(text);
    this.#unsynced += text;
    if (wasLittered) await this.#file.truncate(this.#length);
    this.#isLitteredBehind = false;
  }

  async #writeAt(text: string, position: number): Promise<void> {
    const bytes = Buffer.from(text);
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, written, bytes.length - written, position + written);
      written += bytesWritten;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writes
      .run(() => this.#writeAfterOwed(""))
      .catch(() => {
        // Their callers have been told that they could not be written.
      });
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
  return parseJournal(await textOf(join(historyDir, journalName)));
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

/**
 * The end of a history that has its last command, and so the latest of everything. It reads no more
 * than it needs of a long history.
 */
export async function readLatest(historyDir: string): Promise<readonly JournalLine[]> {
  let file: FileHandle;
  try {
    file = await open(join(historyDir, journalName), "r");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw error;
  }
  await using _ = file;
  const { size } = await file.stat();
  for (let lengthBytes = latestBytes; ; lengthBytes *= 8) {
    const start = Math.max(0, size - lengthBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.toString("utf8", 0, bytesRead);
    // Before the first line end there may be half a line.
    const lines = parseJournal(start === 0 ? text : text.slice(text.indexOf("\n") + 1));
    if (start === 0 || lines.some(({ event }) => event === "command")) return lines;
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
      case "service":
        break;
    }
  }
  return [...commands.values()];
}
