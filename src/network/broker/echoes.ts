import { Transform, type TransformCallback } from "node:stream";
import type { Field } from "./fill-in.ts";

/** A text that has a value in it, and what the guest gets in its place. */
export interface Echo {
  readonly said: string;
  readonly shown: string;
  /** Whether the guest has made up a part of it, as with a user of Basic authentication */
  readonly isMadeUp: boolean;
}

/** Limit for values, which change at times */
const maxValueForms = 1_024;
const maxMadeUp = 64;
/** Bodies in which a server may say again what it was told */
const textType =
  /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|javascript|ecmascript|graphql|ndjson|x-ndjson|x-www-form-urlencoded)\b|[\w.-]+\/[\w.-]+\+(?:json|xml)\b)/i;

/** The forms in which a server may say a value again. */
export function echoesOf(value: string, placeholder: string): readonly Echo[] {
  const forms = new Map<string, string>();
  for (const encode of [plain, encodeURIComponent, inJson]) {
    forms.set(encode(value), encode(placeholder));
  }
  return [...forms].map(([said, shown]) => ({ said, shown, isMadeUp: false }));
}

function plain(text: string): string {
  return text;
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** What servers were told for one guest, so that no answer tells the guest. */
export class Echoes {
  /** By what is said; apart, so that what a guest makes up pushes out no value */
  readonly #values = new Map<string, string>();
  readonly #madeUp = new Map<string, string>();

  add(echoes: readonly Echo[]): void {
    for (const { said, shown, isMadeUp } of echoes) {
      keepLatest(isMadeUp ? this.#madeUp : this.#values, said, shown);
    }
    dropOldest(this.#values, maxValueForms);
    dropOldest(this.#madeUp, maxMadeUp);
  }

  /** The longest first: one value can be a part of another, of which the rest would stay. */
  get #all(): readonly (readonly [said: string, shown: string])[] {
    return [...this.#madeUp, ...this.#values].toSorted(([a], [b]) => b.length - a.length);
  }

  /** The same fields without any value. */
  shownFields(fields: readonly Field[]): readonly Field[] {
    if (this.#values.size === 0) return fields;
    return fields.map(([name, value]) => [name, this.shown(value)]);
  }

  shown(text: string): string {
    let shown = text;
    for (const [said, instead] of this.#all) shown = shown.replaceAll(said, () => instead);
    return shown;
  }

  /** Takes values out of a body; undefined if none was put in, or the body cannot be read. */
  filterFor(fields: readonly Field[]): EchoFilter | undefined {
    const first = (wanted: string) => fields.find(([name]) => name.toLowerCase() === wanted)?.[1].trim() ?? "";
    const encoding = first("content-encoding").toLowerCase();
    const type = first("content-type");
    const isText = type === "" || textType.test(type);
    const isPlain = encoding === "" || encoding === "identity";
    if (this.#values.size === 0 || !isText || !isPlain) return undefined;
    return new EchoFilter(this.#all.map(([said, shown]) => ({ said: bytesOf(said), shown: bytesOf(shown) })));
  }
}

function keepLatest(echoes: Map<string, string>, said: string, shown: string): void {
  echoes.delete(said);
  echoes.set(said, shown);
}

function dropOldest(echoes: Map<string, string>, max: number): void {
  for (const said of echoes.keys()) {
    if (echoes.size <= max) return;
    echoes.delete(said);
  }
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

interface EchoBytes {
  readonly said: Buffer;
  readonly shown: Buffer;
}

/** Replaces what is said in a body as it passes. It holds back only what may begin a value. */
class EchoFilter extends Transform {
  readonly #echoes: readonly EchoBytes[];
  #held: Buffer = Buffer.alloc(0);

  constructor(echoes: readonly EchoBytes[]) {
    super();
    // Of two that begin at the same place, the longer one is meant.
    this.#echoes = echoes.toSorted((a, b) => b.said.length - a.said.length);
  }

  /** Whether a body keeps its length, whatever is in it. */
  get keepsLength(): boolean {
    return this.#echoes.every(({ said, shown }) => said.length === shown.length);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const places = this.#echoes.map((echo) => ({ echo, index: bytes.indexOf(echo.said) }));
    let at = 0;
    for (let next = firstOf(places); next; next = firstOf(places)) {
      this.push(bytes.subarray(at, next.index));
      this.push(next.echo.shown);
      at = next.index + next.echo.said.length;
      for (const place of places) {
        if (place.index >= 0 && place.index < at) place.index = bytes.indexOf(place.echo.said, at);
      }
    }
    const end = this.#openFrom(bytes, at);
    this.#held = bytes.subarray(end);
    if (end > at) this.push(bytes.subarray(at, end));
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held);
  }

  /** Where at the end a value may begin that goes on behind it; the end if none does. */
  #openFrom(bytes: Buffer, from: number): number {
    let first = bytes.length;
    for (const { said } of this.#echoes) {
      const [begin = 0] = said;
      let at = bytes.indexOf(begin, Math.max(from, bytes.length - said.length + 1));
      for (; at >= 0 && at < first; at = bytes.indexOf(begin, at + 1)) {
        if (said.subarray(0, bytes.length - at).equals(bytes.subarray(at))) first = at;
      }
    }
    return first;
  }
}

interface EchoPlace {
  readonly echo: EchoBytes;
  index: number;
}

function firstOf(places: readonly EchoPlace[]): EchoPlace | undefined {
  let first: EchoPlace | undefined;
  for (const place of places) {
    if (place.index >= 0 && (!first || place.index < first.index)) first = place;
  }
  return first;
}
