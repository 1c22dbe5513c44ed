import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import type { EngineContext } from "../../machines/context.ts";
import { newPlaceholder } from "../../network/broker/placeholder.ts";
import { parseHosts } from "../../network/broker/secret.ts";
import { type SecretRecord, type SecretSource, secretRecordSchema, withEarlierPlaceholder } from "../record/secret.ts";
import { SecretMatcher } from "./matcher.ts";
import { maxSecrets, requireUsableValue } from "./rules.ts";
import { type HeldSecret, readSource } from "./source.ts";

/** A secret as a caller gives it. Exactly one of the fields says where its value comes from. */
export const givenSecretSchema = z.object({
  name: z.string(),
  value: z.string().optional().describe("The value itself"),
  env: z.string().min(1).optional().describe("Variable of this host that has it"),
  filePath: z.string().min(1).optional().describe("File of this host that has it"),
  command: z.string().min(1).optional().describe("Text for this host's shell that prints it"),
  hosts: z
    .array(z.string().min(1))
    .default([])
    .describe("Hosts that it is for, such as api.example.com or *.example.com; then the guest never has it"),
  inQuery: z.boolean().default(false).describe("For hosts: put it into the query of a request, too"),
});
export type GivenSecret = z.output<typeof givenSecretSchema>;

/** The texts of the command line beside the objects of the other surfaces. */
export interface GivenTexts {
  readonly secret: readonly string[];
  readonly secretFiles: readonly string[];
  readonly secretCommands: readonly string[];
  readonly secrets: readonly GivenSecret[];
}

/**
 * Everything that a caller has given, whatever the form. A model, which `mayUseHost` is false for,
 * must not choose a program that runs on the host.
 */
export function givenSecrets(
  { secret, secretFiles, secretCommands, secrets }: GivenTexts,
  mayUseHost = true,
): readonly GivenSecret[] {
  const given: readonly GivenSecret[] = [
    ...secret.map((text) => {
      const { rest, ...named } = split(text);
      return rest === undefined ? { ...named, env: named.name } : { ...named, value: rest };
    }),
    ...secretFiles.map((text) => {
      const { rest, ...named } = split(text);
      return { ...named, filePath: required(text, rest, "NAME=PATH") };
    }),
    ...secretCommands.map((text) => {
      const { rest, ...named } = split(text);
      return { ...named, command: required(text, rest, "NAME=COMMAND") };
    }),
    ...secrets,
  ];
  requireSound(given);
  const ofHost = given.find(({ command }) => command !== undefined);
  if (ofHost && !mayUseHost) throw hostCommand(ofHost.name);
  return given;
}

/** NAME, with `@HOST,*.HOST` behind it if it is for these hosts, and what stands behind `=`. */
function split(text: string): { name: string; hosts: string[]; inQuery: boolean; rest: string | undefined } {
  const at = text.indexOf("=");
  const [head, rest] = at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
  const [name = "", ...others] = head.split("@");
  const hosts = others.length === 0 ? [] : others.join("@").split(",");
  return { name, hosts, inQuery: false, rest };
}

function required(text: string, rest: string | undefined, form: string): string {
  if (rest) return rest;
  throw new PyroError("invalid_argument", `cannot use secret '${split(text).name}': it is not ${form}`);
}

function requireSound(given: readonly GivenSecret[]): void {
  const names = new Set<string>();
  for (const one of given) {
    const problem = names.has(one.name) ? "it is given twice" : problemOf(one);
    if (problem !== undefined) throw new PyroError("invalid_argument", `cannot use secret '${one.name}': ${problem}`);
    parseHosts(one);
    names.add(one.name);
  }
  if (names.size > maxSecrets) {
    throw new PyroError("invalid_argument", `cannot use ${names.size} secrets: ${maxSecrets} are the most`);
  }
}

function problemOf({ name, value, env, filePath, command }: GivenSecret): string | undefined {
  if (!secretRecordSchema.shape.name.safeParse(name).success) {
    return "its name must be 1 to 64 letters, digits or '_', and not begin with a digit";
  }
  const count = [value, env, filePath, command].filter((source) => source !== undefined).length;
  return count === 1 ? undefined : "it needs exactly one of value, env, file_path and command";
}

function hostCommand(name: string): PyroError {
  return new PyroError("unsupported", `cannot use secret '${name}': a model may not run a command on the host`, {
    hint: "Give env or file_path, or let the user create the workspace.",
  });
}

/** Secrets of a workspace that begins: what its record says, and the values for its supervisor. */
export interface ReadSecrets {
  readonly records: SecretRecord[];
  readonly held: HeldSecret[];
}

type Reader = Pick<EngineContext, "variables">;

/** Reads the values of secrets that a caller has given. All of them must be there. */
export async function readGiven(
  { variables }: Reader,
  given: readonly GivenSecret[],
  signal?: AbortSignal,
): Promise<ReadSecrets> {
  const read = await Promise.all(
    given.map(async ({ hosts, inQuery, value, ...one }) => {
      const source = sourceOf(one);
      const held = await (source.kind === "literal"
        ? literal(one.name, value ?? "")
        : readSource({ name: one.name, source }, { variables, signal }));
      const placeholder = hosts.length === 0 ? null : newPlaceholder(held.value);
      const about = { hosts: [...hosts], placeholder, inQuery, available: true };
      const record = { name: one.name, source: await lastingSource(source), ...about };
      return { record, held };
    }),
  );
  const held = read.map((one) => one.held);
  const records = read.map(({ record }) => record);
  for (const { name, source } of records) requireNoValueIn(name, source, held);
  return { records, held };
}

/**
 * What a workspace had before it was stopped, read again where it comes from, and what is given
 * now. What cannot be read again is unavailable.
 */
export async function secretsFor(
  { variables }: Reader,
  before: readonly SecretRecord[],
  given: ReadSecrets = { records: [], held: [] },
  signal?: AbortSignal,
): Promise<ReadSecrets> {
  for (const record of given.records) requireNotInGuest(record, before);
  const names = new Set(given.records.map(({ name }) => name));
  const kept = await Promise.all(
    before
      .filter(({ name }) => !names.has(name))
      .map(async (record) => {
        // A literal has no source that could be read.
        const held = await readSource(record, { variables, signal }).catch(() => undefined);
        return { record: { ...record, available: held !== undefined }, held: held ?? [] };
      }),
  );
  return {
    records: [
      ...kept.map(({ record }) => record),
      ...given.records.map((record) => withEarlierPlaceholder(record, before)),
    ],
    held: [...kept.flatMap(({ held }) => held), ...given.held],
  };
}

/** What the guest has had, its disk can still have, so that it must go on being looked for. */
function requireNotInGuest({ name, hosts }: SecretRecord, before: readonly SecretRecord[]): void {
  const earlier = before.find((record) => record.name === name);
  if (!earlier || earlier.hosts.length > 0 || hosts.length === 0) return;
  throw new PyroError("failed_precondition", `cannot use secret '${name}' for hosts: the guest has had its value`, {
    hint: "Give it another name.",
  });
}

function sourceOf({ env, filePath, command }: Pick<GivenSecret, "env" | "filePath" | "command">): SecretSource {
  if (env !== undefined) return { kind: "env", variable: env };
  if (filePath !== undefined) return { kind: "file", path: resolve(filePath) };
  return command === undefined ? { kind: "literal" } : { kind: "command", command, cwd: resolve() };
}

/** What is read from a pipe, such as `<(command)`, can be read once. */
async function lastingSource(source: SecretSource): Promise<SecretSource> {
  if (source.kind !== "file") return source;
  const isFile = await stat(source.path).then(
    (stats) => stats.isFile(),
    () => false,
  );
  return isFile ? source : { kind: "literal" };
}

function literal(name: string, value: string): HeldSecret {
  requireUsableValue(name, value);
  return { name, value, expiresAt: null, stamp: null };
}

/** The record has the source. A value must not get there with it. */
function requireNoValueIn(name: string, source: SecretSource, held: readonly HeldSecret[]): void {
  const matcher = new SecretMatcher(held.map(({ value }) => value));
  if (matcher.find(Buffer.from(JSON.stringify(source))).length === 0) return;
  throw new PyroError("invalid_argument", `cannot use secret '${name}': its source has a value in its text`, {
    hint: "Keep the value in a file or a variable, and name that.",
  });
}
