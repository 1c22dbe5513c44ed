import { ZSTDDecoder } from "zstddec/stream";
import { truncated } from "../bytes.ts";

/** What zstddec's WebAssembly module exports */
interface Zstd {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  ZSTD_createDCtx(): number;
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

type Module = Parameters<ZSTDDecoder["_init"]>[0]["module"];

const [inputBytes, outputBytes] = [1 << 16, 1 << 17];
/** The highest numbers are errors, negated */
const errorCodes = 120;
const reasons: Readonly<Record<number, string>> = {
  10: "it is damaged: what follows a zstd frame is none",
  16: "it needs more than 128 MiB of memory to unpack, which is zstd's own limit too",
  22: "it is damaged: a checksum of its zstd data is wrong",
  32: "it is compressed with a zstd dictionary",
};

/** Gets at the compiled module, of which the library itself uses one instance for everything. */
class Loader extends ZSTDDecoder {
  static module: Module;

  override _init(result: Parameters<ZSTDDecoder["_init"]>[0]): void {
    Loader.module = result.module;
    super._init(result);
  }
}

/** The part of the standard that is used here, which Node's types leave out */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: { instantiate(module: Module, imports: object): Promise<{ readonly exports: unknown }> };
};

let loaded: Promise<Module> | undefined;

/**
 * An instance of its own, because an instance's memory never shrinks. It goes with the instance.
 */
async function newInstance(): Promise<Zstd> {
  loaded ??= new Loader().init().then(() => Loader.module);
  const imports = { env: { emscripten_notify_memory_growth: () => {} } };
  return (await WebAssembly.instantiate(await loaded, imports)).exports as Zstd;
}

/** Unpacks zstd frames, one after the other, as `zstd -d` does. */
export async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = new Decoder(await newInstance());
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; start += inputBytes) {
      yield* decoder.decode(chunk.subarray(start, start + inputBytes));
    }
  }
  if (decoder.isFrameOpen) throw new Error(truncated);
}

class Decoder {
  isFrameOpen = false;
  readonly #zstd: Zstd;
  readonly #context: number;
  readonly #inputAt: number;
  readonly #outputAt: number;
  /** Structures of an address, a size and a position */
  readonly #input: number;
  readonly #output: number;

  constructor(zstd: Zstd) {
    this.#zstd = zstd;
    this.#context = zstd.ZSTD_createDCtx();
    this.#inputAt = zstd.malloc(inputBytes);
    this.#outputAt = zstd.malloc(outputBytes);
    this.#input = zstd.malloc(12);
    this.#output = zstd.malloc(12);
  }

  *decode(input: Buffer): Generator<Buffer> {
    const zstd = this.#zstd;
    new Uint8Array(zstd.memory.buffer, this.#inputAt, inputBytes).set(input);
    this.#words(this.#input).set([this.#inputAt, input.length, 0]);
    for (let isDone = false; !isDone; ) {
      this.#words(this.#output).set([this.#outputAt, outputBytes, 0]);
      const left = zstd.ZSTD_decompressStream(this.#context, this.#output, this.#input) >>> 0;
      const code = 2 ** 32 - left;
      if (code <= errorCodes) throw new Error(reasons[code] ?? `zstd reports error ${code}`);
      this.isFrameOpen = left !== 0;
      const [used = 0] = this.#words(this.#input).subarray(2);
      const [length = 0] = this.#words(this.#output).subarray(2);
      if (length > 0) yield Buffer.from(zstd.memory.buffer.slice(this.#outputAt, this.#outputAt + length));
      // A full output can mean that more is to come without any input.
      isDone = used === input.length && !(length === outputBytes && this.isFrameOpen);
    }
  }

  /** Growing memory gets a new buffer. */
  #words(at: number): Uint32Array {
    return new Uint32Array(this.#zstd.memory.buffer, at, 3);
  }
}
