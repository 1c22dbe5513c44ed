import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFile } from "../../host/durable.ts";

/** A stream is kept in files of this size: the first one, and of a long stream the last two */
export const blockBytes = 1024 * 1024;

export type OutputStream = "stdout" | "stderr";

/**
 * Writes one stream of a command to files as it comes. Of a long one the beginning and the end are
 * kept.
 */
export class OutputKeeper {
  readonly #path: string;
  #file: FileHandle | undefined;
  #length = 0;
  /** Files that are complete but not synced */
  readonly #unsynced = new Set<string>();
  /** Why nothing more is kept */
  #failure: unknown;
  /** Keeps writes in the order of the calls */
  #last: Promise<void> = Promise.resolve();

  constructor(historyDir: string, sequence: number, stream: OutputStream) {
    this.#path = join(historyDir, streamName(sequence, stream));
  }

  /** How much the stream had, kept or not */
  get length(): number {
    return this.#length;
  }

  /** Resolves when there is room for more. `commit` tells of a failure. */
  add(chunk: Buffer): Promise<void> {
    this.#last = this.#last.then(() => this.#keep(chunk));
    return this.#last;
  }

  /**
   * Makes what is kept survive a power cut, but for the names of the files, and ends the work.
   */
  async commit(): Promise<void> {
    await this.#last;
    const file = this.#file;
    this.#file = undefined;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await Promise.all([file?.datasync(), ...[...this.#unsynced].map(syncFile)]);
    } finally {
      await file?.close();
    }
  }

  /** A command goes on although its output cannot be kept. */
  async #keep(chunk: Buffer): Promise<void> {
    if (this.#failure === undefined) {
      await this.#write(chunk).catch((error: unknown) => {
        this.#failure = error;
      });
    }
    this.#length += chunk.length;
  }

  async #write(chunk: Buffer): Promise<void> {
    for (let written = 0; written < chunk.length; ) {
      const length = this.#length + written;
      const part = chunk.subarray(written, written + blockBytes - (length % blockBytes));
      const file = await this.#fileFor(length / blockBytes);
      await file.appendFile(part);
      written += part.length;
    }
  }

  /** A whole number of blocks has been written when there is another one to begin. */
  async #fileFor(blocks: number): Promise<FileHandle> {
    if (this.#file && !Number.isInteger(blocks)) return this.#file;
    if (this.#file) {
      await this.#file.close();
      this.#unsynced.add(blockPath(this.#path, blocks - 1));
    }
    this.#file = await open(blockPath(this.#path, blocks), "w", 0o600);
    // The stream has a newer end now, so this part of the old one goes. The beginning stays.
    if (blocks > 2) {
      const old = blockPath(this.#path, blocks - 2);
      await rm(old, { force: true });
      this.#unsynced.delete(old);
    }
    return this.#file;
  }
}

/**
 * Names of output files: the first block's ends with the stream, the others' with a block number
 */
export const blockName = /^(\d+\.(?:stdout|stderr))(?:\.(\d+))?$/;

export function streamName(sequence: number, stream: OutputStream): string {
  return `${String(sequence).padStart(6, "0")}.${stream}`;
}

export function blockPath(streamPath: string, block: number): string {
  return block === 0 ? streamPath : `${streamPath}.${block}`;
}
