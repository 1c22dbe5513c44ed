import * as z from "zod";

/** Where a secret's value comes from: enough to read it again, and never the value. */
export const secretSourceSchema = z.discriminatedUnion("kind", [
  /** A caller gave the value itself, which the supervisor alone has */
  z.object({ kind: z.literal("literal") }),
  z.object({ kind: z.literal("env"), variable: z.string() }),
  z.object({ kind: z.literal("file"), path: z.string() }),
  /** Text for the host's shell, and the folder that it runs in */
  z.object({ kind: z.literal("command"), command: z.string(), cwd: z.string() }),
]);
export type SecretSource = z.output<typeof secretSourceSchema>;

export const secretSourceKinds = ["literal", "env", "file", "command"] as const;

/** A secret of a workspace, without its value. */
export const secretRecordSchema = z.object({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
  source: secretSourceSchema,
  /** Hosts that the host's side puts it in for; empty: the guest itself has the value */
  hosts: z.array(z.string()),
  /** What the guest has in place of a value for hosts; null: it has the value */
  placeholder: z.string().nullable(),
  /** Whether the host's side also puts it into the query of a request */
  inQuery: z.boolean(),
  /** Whether the supervisor had its value when the record was written */
  available: z.boolean(),
});
export type SecretRecord = z.output<typeof secretRecordSchema>;

/**
 * The record of a secret that is given again. Programs of the guest may have kept its placeholder.
 */
export function withEarlierPlaceholder(given: SecretRecord, before: readonly SecretRecord[]): SecretRecord {
  const earlier = before.find(({ name }) => name === given.name)?.placeholder ?? null;
  return given.placeholder === null || earlier === null ? given : { ...given, placeholder: earlier };
}
