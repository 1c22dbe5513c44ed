import xz from "xz-decompress";
import { truncated } from "../bytes.ts";

/** What the WebAssembly module of xz-decompress exports, which is XZ Embedded */
interface Xz {
  readonly memory: { readonly buffer: ArrayBuffer };
  create_context(): number;
  destroy_context(context: number): void;
  supply_input(context: number, length: number): void;
  get_next_output(context: number): number;
}

/** The library's own loader, which its types leave out */
interface Loader {
  _moduleInstance: { readonly exports: Xz };
  _getModuleInstance(): Promise<void>;
}

/** Words of a context: size of its buffers, then address, position and size of each */
const word = { size: 0, inputAt: 1, inputPosition: 2, inputLength: 3, outputAt: 4, outputLength: 5 } as const;

const status = { ok: 0, end: 1, noProgress: 8 } as const;
const reasons: Readonly<Record<number, string>> = {
  3: "it needs more memory to unpack than there is",
  4: "it needs more than 64 MiB of memory to unpack",
  5: "it is damaged: what follows an xz stream is none",
  6: "it has an xz filter or checksum that pyro does not know, beside LZMA2 and CRC",
};

let lastLoad: Promise<unknown> = Promise.resolve();

/**
 * An instance of its own, because an instance's memory never shrinks. The library keeps the last
 * instance only, so loads take turns.
 */
function newInstance(): Promise<Xz> {
  const loader = xz.XzReadableStream as unknown as Loader;
  const load = lastLoad.then(async () => {
    await loader._getModuleInstance();
    return loader._moduleInstance.exports;
  });
  lastLoad = load.catch(() => {});
  return load;
}

/** Unpacks xz streams, one after the other and with padding between them, as `xz -d` does. */
export async function* unxz(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = new Decoder(await newInstance());
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; start += decoder.bufferBytes) {
      yield* decoder.decode(chunk.subarray(start, start + decoder.bufferBytes));
    }
  }
  yield* decoder.decode(Buffer.alloc(0));
  if (!decoder.isEnd) throw new Error(truncated);
}

class Decoder {
  isEnd = false;
  readonly bufferBytes: number;
  readonly #xz: Xz;
  readonly #context: number;

  constructor(instance: Xz) {
    this.#xz = instance;
    this.#context = instance.create_context();
    this.bufferBytes = this.#words()[word.size] ?? 0;
  }

  /** Yields what comes of the input. No input means that there is no more. */
  *decode(input: Buffer): Generator<Buffer> {
    const at = this.#words()[word.inputAt];
    new Uint8Array(this.#xz.memory.buffer, at, this.bufferBytes).set(input);
    this.#xz.supply_input(this.#context, input.length);
    for (let isDone = false; !isDone; ) {
      const code = this.#xz.get_next_output(this.#context);
      const words = this.#words();
      const [outputAt = 0, length = 0] = words.subarray(word.outputAt);
      words[word.outputLength] = 0;
      if (length > 0) yield Buffer.from(this.#xz.memory.buffer.slice(outputAt, outputAt + length));
      this.isEnd = code === status.end;
      // Without input the decoder makes no progress, which it reports at the second attempt.
      if (input.length === 0 && code === status.noProgress) return;
      if (code !== status.ok && !this.isEnd) throw new Error(reasons[code] ?? "its xz data is wrong");
      isDone = this.isEnd || (words[word.inputPosition] === input.length && length < this.bufferBytes);
    }
  }

  /** Growing memory gets a new buffer. */
  #words(): Uint32Array {
    return new Uint32Array(this.#xz.memory.buffer, this.#context, 6);
  }
}
