import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SerialQueue } from "../../core/async.ts";
import { checkWire, fromWire, toWire } from "../../core/wire-case.ts";
import { textOf } from "../../host/files.ts";

/**
 * Limit for each of the two files of a log, in bytes. The older one is replaced when the other is
 * full
 */
const maxFileBytes = 4 * 1024 * 1024;

/** Output of a service as it came. Bytes that are no text are in base64. */
const pieceSchema = checkWire(
  z.object({
    at: z.string(),
    stream: z.enum(["stdout", "stderr"]),
    text: z.string().optional(),
    base64: z.string().optional(),
  }),
  "piece of a log",
);

export type LogStream = z.output<typeof pieceSchema>["stream"];

/** A line of a service's log. */
export interface LogLine {
  /** Time at which its first byte came */
  readonly at: string;
  readonly stream: LogStream;
  /** Without its line end */
  readonly text: string;
  /** Whether more of it may come */
  readonly isOpen: boolean;
}

/** The two files of a log, from the older one. */
function filesOf(
  historyDir: string,
  serviceName: string,
  generation: number,
): readonly [older: string, current: string] {
  const path = join(historyDir, `service-${serviceName}-${generation}`);
  return [`${path}.1.jsonl`, `${path}.jsonl`];
}

/** Writes the log of one run of a service. */
export class LogWriter {
  readonly #older: string;
  readonly #current: string;
  readonly #writes = new SerialQueue();
  #file: FileHandle | undefined;
  #sizeBytes = 0;
  /** Output that could not be written, which the log then says */
  #lostBytes = 0;

  constructor(historyDir: string, serviceName: string, generation: number) {
    [this.#older, this.#current] = filesOf(historyDir, serviceName, generation);
  }

  /** Resolves when there is room for more. A full disk does not end a service. */
  async add(stream: LogStream, chunk: Buffer): Promise<void> {
    const text = chunk.toString("utf8");
    const content = Buffer.from(text).equals(chunk) ? { text } : { base64: chunk.toString("base64") };
    const at = new Date().toISOString();
    await this.#writes
      .run(async () => {
        const lost = this.#lostBytes;
        if (lost > 0) {
          const text = `\n[… ${lost} bytes of output are not kept: the disk was full …]\n`;
          // What a failed write has left is a line of its own.
          await this.#write(`\n${encodePiece({ at, stream: "stderr", text })}`);
          this.#lostBytes = 0;
        }
        await this.#write(encodePiece({ at, stream, ...content }));
      })
      .catch(() => {
        this.#lostBytes += chunk.length;
      });
  }

  async #write(text: string): Promise<void> {
    const line = Buffer.from(text);
    if (this.#file && this.#sizeBytes + line.length > maxFileBytes) {
      await this.#file.close();
      this.#file = undefined;
      await rename(this.#current, this.#older);
    }
    if (!this.#file) {
      this.#file = await open(this.#current, "a", 0o600);
      this.#sizeBytes = 0;
    }
    await this.#file.appendFile(line);
    this.#sizeBytes += line.length;
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.#file?.close();
    this.#file = undefined;
  }
}

function encodePiece(piece: z.input<typeof pieceSchema>): string {
  return `${JSON.stringify(toWire(pieceSchema, piece))}\n`;
}

/** Removes the log of a run. */
export async function removeLog(historyDir: string, serviceName: string, generation: number): Promise<void> {
  for (const path of filesOf(historyDir, serviceName, generation)) await rm(path, { force: true });
}

/** The lines that a log has, from the oldest one, and whether older ones are not kept any more. */
export async function readLog(
  historyDir: string,
  serviceName: string,
  generation: number,
): Promise<{ readonly lines: readonly LogLine[]; readonly isCut: boolean }> {
  const [older, current] = filesOf(historyDir, serviceName, generation);
  const texts = await Promise.all([textOf(older), textOf(current)]);
  const joined = new JoinedLines();
  for (const line of texts.join("").split("\n")) joined.add(line);
  const isCut = (await stat(older).catch(() => undefined)) !== undefined;
  return { lines: joined.lines(), isCut };
}

/** Puts pieces together to lines, of each stream for itself. */
class JoinedLines {
  readonly #lines: { at: string; stream: LogStream; parts: Buffer[] }[] = [];
  /** The line of each stream that has not ended yet */
  readonly #open = new Map<LogStream, Buffer[]>();

  add(line: string): void {
    const piece = parsePiece(line);
    if (!piece) return;
    const bytes = Buffer.from(piece.text ?? piece.base64 ?? "", piece.text === undefined ? "base64" : "utf8");
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.indexOf(0x0a, start);
      const part = bytes.subarray(start, end === -1 ? bytes.length : end);
      const open = this.#open.get(piece.stream);
      const parts = open ?? [];
      parts.push(part);
      if (!open) this.#lines.push({ at: piece.at, stream: piece.stream, parts });
      if (end === -1) {
        this.#open.set(piece.stream, parts);
        break;
      }
      this.#open.delete(piece.stream);
      start = end + 1;
    }
  }

  lines(): readonly LogLine[] {
    return this.#lines.map(({ at, stream, parts }) => ({
      at,
      stream,
      text: Buffer.concat(parts).toString("utf8").replace(/\r$/, ""),
      isOpen: this.#open.get(stream) === parts,
    }));
  }
}

function parsePiece(line: string): z.output<typeof pieceSchema> | undefined {
  try {
    return line === "" ? undefined : fromWire(pieceSchema, JSON.parse(line));
  } catch {
    // A crash has cut it off.
    return undefined;
  }
}
