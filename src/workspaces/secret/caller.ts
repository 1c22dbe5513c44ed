import { PyroError } from "../../core/errors.ts";
import type { Hint } from "../../core/hint.ts";
import { requireRunning, type WorkspaceCall } from "../control/access.ts";
import { SupervisorCall } from "../control/client.ts";
import { readWorkspace } from "../record/store.ts";
import { type Range, withoutRanges } from "./matcher.ts";
import { redactedMarker } from "./rules.ts";
import { foundPlacesSchema, secretVerbs } from "./verbs.ts";

/** Where values are, in each of the buffers that were searched. */
export interface FoundSecrets {
  readonly reachBytes: number;
  readonly ranges: readonly (readonly Range[])[];
}

export type FindSecrets = (buffers: readonly Buffer[]) => Promise<FoundSecrets>;

/** Whether a workspace has secrets. One without needs none of what is here. */
export async function hasSecrets({ context, workspaceId }: WorkspaceCall): Promise<boolean> {
  return (await readWorkspace(context.layout.workspacesDir, workspaceId)).secrets.length > 0;
}

/** Asks the supervisor, which alone has the values, where they are in what its guest has sent. */
export async function findSecrets(wanted: WorkspaceCall, buffers: readonly Buffer[]): Promise<FoundSecrets> {
  const { connection } = await requireRunning(wanted);
  const { signal } = wanted;
  const lengths = buffers.map(({ length }) => length);
  const asked = new SupervisorCall(
    connection,
    secretVerbs.findSecrets,
    { lengths },
    { signal, body: piecesOf(buffers) },
  );
  const said: Buffer[] = [];
  for await (const piece of asked) said.push(piece);
  const { reachBytes } = await asked.result();
  const ranges = buffers.map((): Range[] => []);
  for (const [part, start, end] of foundPlacesSchema.parse(JSON.parse(Buffer.concat(said).toString()))) {
    ranges[part]?.push({ start, end });
  }
  return { reachBytes, ranges };
}

/** The same texts without values, and how many places had one. */
async function withoutSecrets(
  wanted: WorkspaceCall,
  texts: readonly string[],
): Promise<{ readonly texts: readonly string[]; readonly count: number }> {
  if (texts.length === 0 || !(await hasSecrets(wanted))) return { texts, count: 0 };
  const buffers = texts.map((text) => Buffer.from(text));
  const { ranges } = await findSecrets(wanted, buffers);
  return {
    texts: texts.map((text, index) => redactedText(text, buffers[index], ranges[index])),
    count: ranges.flat().length,
  };
}

function redactedText(text: string, bytes: Buffer | undefined, ranges: readonly Range[] = []): string {
  return bytes === undefined || ranges.length === 0 ? text : withoutRanges(bytes, ranges).toString();
}

/** Does something whose failure can quote what is in a file. */
export async function withoutSecretsInErrors<T>(wanted: WorkspaceCall, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = PyroError.from(thrown);
    const hint: Hint = error.advice ?? [];
    const said = [error.message, ...hint.filter((part) => typeof part === "string")];
    const { texts, count } = await withoutSecrets(wanted, said).catch(() => withheld(said));
    if (count === 0) throw thrown;
    const [message = "", ...hints] = texts;
    const spoken = hint.map((part) => (typeof part === "string" ? (hints.shift() ?? "") : part));
    throw new PyroError(error.code, message, { hint: spoken.length === 0 ? undefined : spoken });
  }
}

/** Without its supervisor, a value in a text cannot be told from the rest. */
function withheld(said: readonly string[]): { texts: readonly string[]; count: number } {
  const message = "the operation failed, and why is withheld: the workspace has ended, and only it knows its secrets";
  return { texts: said.map((_, index) => (index === 0 ? message : "")), count: said.length };
}

/** Refuses to write the marker of a value over the value itself. */
export async function refuseMarker(wanted: WorkspaceCall, action: string, texts: readonly string[]): Promise<void> {
  if (!texts.some((text) => text.includes(redactedMarker)) || !(await hasSecrets(wanted))) return;
  throw new PyroError(
    "failed_precondition",
    `cannot ${action}: ${redactedMarker} stands for a secret's value, and would be written over it`,
    { hint: "Leave such places as they are, or change them with a command in the workspace." },
  );
}

async function* piecesOf(buffers: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const buffer of buffers) if (buffer.length > 0) yield buffer;
}
