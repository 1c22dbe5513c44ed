import * as z from "zod";
import { treeChangesSchema, treeReadSchema, treeWriteAnswerSchema } from "../../guest/tree.ts";
import { commandEndSchema, editKinds } from "../record/journal.ts";
import { snapshotRecordSchema, workspaceRecordSchema } from "../record/record.ts";

/** Raised when a supervisor that is older or newer than its caller could misunderstand it. */
export const controlVersion = 2;

/** Frames between a caller and a supervisor, beside those of commands and trees, which pass through. */
export const controlFrame = {
  request: 0x40,
  /** The request was understood */
  accepted: 0x41,
  /** The caller still waits; before this nothing is done, and after it the caller cannot know */
  confirm: 0x45,
  result: 0x42,
  error: 0x43,
  /** Nothing to say yet */
  alive: 0x44,
} as const;

/** How often a supervisor says that it still works on a call */
export const aliveIntervalMs = 5_000;

export const controlRequestSchema = z.object({ version: z.number(), verb: z.string(), input: z.unknown() });

const nothing = z.object({});

/** What a timer can be set to */
const timeoutMs = z
  .number()
  .min(0)
  .max(2 ** 31 - 1);

/**
 * Everything that a supervisor does for its callers. `changes`: a call whose connection is lost may have been carried out;
 * `endsWithCaller`: what it has begun is ended when its caller goes, while the call lasts.
 */
export const verbs = {
  /** The caller sends standard input, and gets the output as it comes */
  exec: {
    changes: true,
    endsWithCaller: true,
    input: z.object({
      argv: z.array(z.string()).optional(),
      shell: z.string().optional(),
      timeoutMs: z.number(),
      stdin: z.boolean(),
      /** After this time a command that reads nothing from its caller runs on without it */
      detachAfterMs: timeoutMs.optional(),
    }),
    /** How it ended; of one that runs on, how far it has come */
    output: commandEndSchema.extend({ sequence: z.number(), cwd: z.string(), running: z.boolean() }),
  },
  /** Answers when a command's end is on file, or at the time limit */
  awaitCommand: {
    changes: false,
    endsWithCaller: true,
    input: z.object({ sequence: z.number(), timeoutMs }),
    output: nothing,
  },
  /** The caller gets frames of a tree */
  readTree: { changes: false, endsWithCaller: true, input: treeReadSchema, output: nothing },
  /** The caller gets frames of changes */
  treeChanges: { changes: false, endsWithCaller: true, input: treeChangesSchema, output: nothing },
  /** The caller sends frames of a tree */
  writeTree: {
    changes: true,
    endsWithCaller: true,
    input: z.object({ kind: z.enum(editKinds), path: z.string() }),
    output: treeWriteAnswerSchema,
  },
  recordExport: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ path: z.string(), outputPath: z.string(), entryCount: z.number(), bytesWritten: z.number() }),
    output: nothing,
  },
  createSnapshot: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ snapshotName: z.string() }),
    output: snapshotRecordSchema,
  },
  deleteSnapshot: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ snapshotName: z.string() }),
    output: nothing,
  },
  reset: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ snapshotName: z.string() }),
    output: workspaceRecordSchema,
  },
  update: {
    changes: true,
    endsWithCaller: false,
    input: z.object({
      name: z.string().nullable().optional(),
      setLabels: z.record(z.string(), z.string()),
      clearLabels: z.array(z.string()),
    }),
    output: workspaceRecordSchema,
  },
  stop: { changes: true, endsWithCaller: false, input: nothing, output: workspaceRecordSchema },
  delete: { changes: true, endsWithCaller: false, input: nothing, output: nothing },
} as const;

export type Verb = keyof typeof verbs;
export type VerbInput<V extends Verb> = z.output<(typeof verbs)[V]["input"]>;
export type VerbOutput<V extends Verb> = z.output<(typeof verbs)[V]["output"]>;
export type MetadataUpdate = VerbInput<"update">;
