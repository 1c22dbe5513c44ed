import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { hint, named, toRun } from "../../core/hint.ts";
import { checkWire } from "../../core/wire-case.ts";
import { encodeFrame, maxPayloadLength } from "../../guest/frames.ts";
import { explainDiskError } from "../../host/files.ts";

/** Raised when a supervisor that is older or newer than its caller could misunderstand it. */
export const controlVersion = 7;

/**
 * Frames between a caller and a supervisor. The bytes that a guest sends or gets travel untouched
 * in `data`, so a guest cannot fake an answer of the supervisor.
 */
export const controlFrame = {
  request: 0x40,
  /** The supervisor has understood the request */
  accepted: 0x41,
  result: 0x42,
  error: 0x43,
  /** Nothing to say yet */
  alive: 0x44,
  /** The caller still waits. The supervisor does nothing before it */
  confirm: 0x45,
  /** The supervisor takes requests; until then it still starts its machine */
  ready: 0x46,
  data: 0x47,
  /** The sender has no more data for this call */
  dataEnd: 0x48,
} as const;

/** How often a supervisor says that it still works on a call */
export const aliveIntervalMs = 5_000;

/** The longest start: a boot on a busy host, after its template was built. Callers wait as long */
export const startLimitMs = 300_000;

export const controlRequestSchema = z.object({ version: z.number(), verb: z.string(), input: z.unknown() });

/** Something that a supervisor does for its callers. */
export interface Verb<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  /** Unique among all nouns */
  readonly name: string;
  /** A call whose connection is lost may have been carried out */
  readonly changes: boolean;
  /** The supervisor ends what the call has begun if the caller goes before its end */
  readonly endsWithCaller: boolean;
  readonly input: I;
  readonly output: O;
}

export type VerbInput<V extends Verb> = z.output<V["input"]>;
export type VerbOutput<V extends Verb> = z.output<V["output"]>;

/** The verbs of one noun, by name. */
export type Verbs = Readonly<Record<string, Verb>>;

/** Describes the verbs of a noun, once for callers and owner. */
export function defineVerbs<const T extends Readonly<Record<string, Omit<Verb, "name">>>>(
  table: T,
): { readonly [K in keyof T]: T[K] & { readonly name: string } } {
  for (const [name, { input, output }] of Object.entries(table)) {
    checkWire(input, `${name}.input`);
    checkWire(output, `${name}.output`);
  }
  const verbs = Object.fromEntries(Object.entries(table).map(([name, verb]) => [name, { ...verb, name }]));
  return verbs as { [K in keyof T]: T[K] & { name: string } };
}

/** The input or output of a verb that has none */
export const nothing = z.object({});

/** Bytes for, or from, the guest in their envelope. */
export function* encodeData(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += maxPayloadLength) {
    yield encodeFrame(controlFrame.data, bytes.subarray(start, start + maxPayloadLength));
  }
}

/** Takes a workspace's secrets out of data. */
export type Redact = <T>(words: T) => T;

/** An error on its way to a caller, with its hint as data. */
export function errorData(thrown: unknown, redact: Redact = (words) => words): object {
  const error = PyroError.from(explainDiskError(thrown));
  const { message, details, ...rest } = error.toJSON();
  const hint = error.advice?.map((part) => (typeof part === "string" ? redact(part) : part)) ?? null;
  return { ...rest, message: redact(message), hint, ...(details ? { details: redact(details) } : {}) };
}

export function otherVersion(): PyroError {
  return new PyroError("failed_precondition", "this workspace was started by another version of pyro", {
    hint: hint`${toRun("workspace.stop")} with that version, then ${named("workspace.start")} with this one.`,
  });
}
