import { isUtf8 } from "node:buffer";
import { stat } from "node:fs/promises";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { readNamed } from "../../host/named/content.ts";
import { capture } from "../../host/process.ts";
import type { SecretRecord, SecretSource } from "../record/secret.ts";
import { maxValueBytes, requireUsableValue } from "./rules.ts";

/** Limit for a source that waits for another program, such as a command or a named pipe */
const readTimeoutMs = 30_000;
/** A value is read again this long before it expires, so that it lasts for what begins now */
const earlyMs = 10_000;

/** The value of a secret, which is in memory and on sockets only. */
export const heldSecretSchema = z.object({
  name: z.string(),
  value: z.string(),
  /** null: it does not say */
  expiresAt: z.string().nullable(),
  /** Tells whether the file that it was read from is still the same; null: it comes from no file */
  stamp: z.string().nullable(),
});
export type HeldSecret = z.output<typeof heldSecretSchema>;

export interface SourceOptions {
  /** Variables of the process that reads; undefined: it has none of the user's */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Named = Pick<SecretRecord, "name" | "source">;
type Read = Omit<HeldSecret, "name">;

/** What `--secret-command` may print instead of the value alone. */
const printedSchema = z.object({ value: z.string(), expires_at: z.iso.datetime({ offset: true }).nullish() });

/** Reads the value of a secret where it comes from. A literal cannot be read again. */
export async function readSource({ name, source }: Named, options: SourceOptions = {}): Promise<HeldSecret> {
  const read = await readByKind(name, source, options);
  requireUsableValue(name, read.value);
  return { name, ...read };
}

/** Whether a value has to be read again before it is used. */
export async function isOutdated({ source }: Named, { expiresAt, stamp }: HeldSecret): Promise<boolean> {
  if (source.kind === "file") return (await stampOf(source.path).catch(() => null)) !== stamp;
  return source.kind === "command" && expiresAt !== null && Date.parse(expiresAt) - earlyMs <= Date.now();
}

/** Whether a supervisor can read it, which has neither its caller's variables nor what it typed. */
export function isReadByOwner({ source: { kind } }: Named): boolean {
  return kind === "file" || kind === "command";
}

function readByKind(name: string, source: SecretSource, options: SourceOptions): Promise<Read> {
  switch (source.kind) {
    case "literal":
      throw unreadable(name, "its value was given once, and is not kept");
    case "env":
      return readVariable(name, source.variable, options);
    case "file":
      return readFile(name, source.path, options);
    case "command":
      return runCommand(name, source, options);
  }
}

async function readVariable(name: string, variable: string, { variables }: SourceOptions): Promise<Read> {
  const value = variables?.[variable];
  if (value === undefined) throw unreadable(name, `the variable ${variable} is not set`);
  return { value, expiresAt: null, stamp: null };
}

async function readFile(name: string, path: string, { signal }: SourceOptions): Promise<Read> {
  // Before the read: what changes meanwhile is read again at the next use.
  const stamp = await stampOf(path).catch(() => null);
  const bytes = await readNamed(path, {
    action: `cannot use secret '${name}': cannot read`,
    hint: "Give a file with the value.",
    maxBytes: maxValueBytes,
    largerHint: "Give a file that has the value alone.",
    signal,
  });
  if (!isUtf8(bytes)) throw unreadable(name, "its file is not UTF-8 text");
  return { value: bytes.toString("utf8"), expiresAt: null, stamp };
}

async function stampOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(":");
}

async function runCommand(
  name: string,
  { command, cwd }: Extract<SecretSource, { kind: "command" }>,
  { signal }: SourceOptions,
): Promise<Read> {
  // What it prints stays out of every message: it may be the value, or a part of it.
  const run = await capture(["/bin/sh", "-c", command], { timeoutMs: readTimeoutMs, cwd, signal }).catch(
    (error: unknown) => {
      const { code } = PyroError.from(error);
      if (code === "cancelled") throw error;
      const reason = code === "timeout" ? `took longer than ${readTimeoutMs / 1000} s` : "could not be run";
      throw unreadable(name, `its command ${reason}`);
    },
  );
  if (run.exitCode !== 0) throw unreadable(name, `its command ended with ${run.signal ?? run.exitCode}`);
  return { ...parsePrinted(name, run.stdout), stamp: null };
}

/** The value alone, without the line end that a program prints, or an object that has it. */
function parsePrinted(name: string, text: string): Omit<Read, "stamp"> {
  const printed = text.replace(/(?:\r?\n)+$/, "");
  const object = objectIn(printed);
  if (object === undefined) return { value: printed, expiresAt: null };
  const { data } = printedSchema.safeParse(object);
  if (!data) throw unreadable(name, "its command printed an object without a text 'value' or with another expires_at");
  return { value: data.value, expiresAt: data.expires_at ?? null };
}

function objectIn(text: string): object | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null && "value" in parsed ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(name: string, reason: string): PyroError {
  return new PyroError("failed_precondition", `cannot use secret '${name}': ${reason}`);
}
