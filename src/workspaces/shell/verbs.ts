import * as z from "zod";
import { terminalSizeSchema } from "../../guest/messages.ts";
import { defineVerbs, nothing } from "../control/protocol.ts";

export const shellSignals = ["INT", "TERM", "KILL", "HUP", "QUIT", "TSTP", "CONT", "USR1", "USR2", "WINCH"] as const;

export const foregroundSchema = z.object({
  pid: z.number(),
  command: z.string(),
  state: z
    .enum(["prompt", "input", "password", "working", "unknown"])
    .describe(
      "What the program at the keyboard waits for: prompt: a command or another line for its line editor; input: a line or a key; password: a line that is not shown; working: nothing; unknown: its system call does not tell",
    ),
});
export type Foreground = z.output<typeof foregroundSchema>;

/** A shell as it is at one moment. */
export const shellSchema = z.object({
  shellId: z.string(),
  state: z.enum(["running", "exited"]),
  /** Directory in which it was opened */
  cwd: z.string(),
  ...terminalSizeSchema.shape,
  startedAt: z.string(),
  /** How the shell itself has ended */
  exitCode: z.number().nullable(),
  signal: z.string().nullable(),
});
export type Shell = z.output<typeof shellSchema>;

export const waitReasons = ["idle", "prompt", "input"] as const;

/** What a reader waits for. */
const waitSchema = z.object({
  for: z.enum(waitReasons),
  idleMs: z.number(),
  timeoutMs: z.number(),
});
export type Wait = z.output<typeof waitSchema>;

/** What ended the wait of a reader. */
export const readEnds = [...waitReasons, "password", "exited", "timeout"] as const;
const readEndSchema = z.enum(readEnds);
export type ReadEnd = z.output<typeof readEndSchema>;

const shellId = z.string();

export const shellVerbs = defineVerbs({
  openShell: {
    changes: true,
    endsWithCaller: false,
    input: z.object({
      /** Absolute, in the guest */
      cwd: z.string(),
      ...terminalSizeSchema.shape,
      env: z.record(z.string(), z.string()),
      /** Variables that get secrets: `{ SECRET: VARIABLE }` */
      secretEnv: z.record(z.string(), z.string()),
    }),
    output: shellSchema,
  },
  listShells: {
    changes: false,
    endsWithCaller: true,
    input: nothing,
    output: z.object({ shells: z.array(shellSchema) }),
  },
  readShell: {
    changes: false,
    endsWithCaller: true,
    input: z.object({
      shellId,
      cursor: z.number(),
      maxChars: z.number(),
      plain: z.boolean(),
      wait: waitSchema.nullable(),
    }),
    output: z.object({
      shell: shellSchema,
      output: z.string(),
      cursor: z.number(),
      nextCursor: z.number(),
      oldestCursor: z.number(),
      truncated: z.boolean(),
      screen: z.object({ cursorRow: z.number(), cursorCol: z.number(), alternate: z.boolean() }),
      foreground: foregroundSchema.nullable(),
      lastExitCode: z.number().nullable(),
      /** What ended the wait; null without one */
      waitEnd: readEndSchema.nullable(),
    }),
  },
  writeShell: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ shellId, input: z.string() }),
    output: z.object({ shell: shellSchema, cursor: z.number(), bytesWritten: z.number() }),
  },
  signalShell: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ shellId, signal: z.enum(shellSignals) }),
    output: z.object({ shell: shellSchema, group: z.number(), foreground: foregroundSchema.nullable() }),
  },
  resizeShell: {
    changes: true,
    endsWithCaller: false,
    input: z.object({ shellId, ...terminalSizeSchema.shape }),
    output: shellSchema,
  },
  /** Answers when its processes are gone */
  closeShell: { changes: true, endsWithCaller: false, input: z.object({ shellId }), output: shellSchema },
  /** Passes on what is typed and what is printed, until the shell has ended or the caller goes */
  attachShell: { changes: true, endsWithCaller: true, input: z.object({ shellId }), output: shellSchema },
});
