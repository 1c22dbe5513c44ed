import * as z from "zod";
import { linkText } from "./tree/messages.ts";

/**
 * Version of the protocol in agent/PROTOCOL.md. Host and guest refuse each other if the majors
 * differ.
 */
export const protocolVersion = "2.6";

export const guestInfoSchema = z.object({
  protocol: z.string().max(16),
  agentVersion: z.string().max(64),
  /** Kernel release, as `uname -r` prints it */
  kernel: z.string().max(256),
  hostname: z.string().max(256),
  machineId: z.string().max(64),
  bootId: z.string().max(64),
  uptimeMs: z.number(),
  timeUnixMs: z.number(),
  memoryTotalBytes: z.number(),
  cpuCount: z.number(),
  /** Whether this clone has been given an identity */
  forked: z.boolean(),
  root: z.object({ device: z.string().max(256), sizeBytes: z.number(), freeBytes: z.number() }),
});
export type GuestInfo = z.output<typeof guestInfoSchema>;

/** Makes a clone unlike its siblings. The host sends it before any user code runs. */
export const forkRequestSchema = z.object({
  /** Every later request must carry it */
  token: z.string(),
  entropyBase64: z.string(),
  /** Decimal, because nanoseconds do not fit a JSON number */
  timeUnixNs: z.string(),
  hostname: z.string(),
  /** 32 hexadecimal digits */
  machineId: z.string(),
  workspace: z
    .object({
      device: z.string(),
      mountPoint: z.string(),
      /** Whether it begins with the baseline, without the changes that the disk has */
      discardChanges: z.boolean().optional(),
    })
    .optional(),
});
export type ForkRequest = z.output<typeof forkRequestSchema>;

export const forkAnswerSchema = z.object({ timeUnixMs: z.number() });

export const clockRequestSchema = z.object({ timeUnixNs: z.string() });

/** The size of a terminal's window, in characters. */
export const terminalSizeSchema = z.object({
  cols: z.number().int().min(1).max(1000),
  rows: z.number().int().min(1).max(1000),
});
export type TerminalSize = z.output<typeof terminalSizeSchema>;

export const execSpecSchema = z.object({
  /** Program and arguments; either this or `shell`, or neither for a user's shell at a terminal */
  argv: z.array(z.string()).optional(),
  /** Text for the guest's shell */
  shell: z.string().optional(),
  /** Default: `/workspace` if it exists, else `/` */
  cwd: z.string().optional(),
  /** Added to the agent's default environment; null removes a variable */
  env: z.record(z.string(), z.string().nullable()).optional(),
  /** 0 means no limit */
  timeoutMs: z.number().int(),
  /** Without it the command reads an empty stream */
  stdin: z.boolean(),
  /** Whether the guest syncs its disks before it reports the end */
  sync: z.boolean().optional(),
  /** Name of the command in announcements of its connections */
  label: z.string().optional(),
  /** Whether it ends with the last of its processes, not with the first */
  wholeGroup: z.boolean().optional(),
  /** In place of pipes; its output comes as standard output */
  terminal: terminalSizeSchema.optional(),
});
export type ExecSpec = z.output<typeof execSpecSchema>;

/** A command has a process. */
export const startedSchema = z.object({ pid: z.number().int() });

/**
 * How a command ended. Messages of the guest, journals and results take their fields, and the order
 * of these, from here. A new field needs a default, because older journals and agents lack it.
 */
export const commandEndSchema = z.object({
  exitCode: z.number().nullable(),
  signal: z.string().nullable().describe("Signal that ended the command"),
  timedOut: z.boolean().describe("Its whole process tree was killed at the time limit"),
  cancelled: z.boolean(),
  oomKilled: z.boolean().describe("The guest ran out of memory"),
  startError: z.string().nullable().describe("Why the command could not be started"),
  syncError: z.string().nullable().describe("Why what it wrote may not be on the workspace's disk"),
  unknownReason: z.string().nullable().describe("Why it is unknown how it ended"),
  durationMs: z.number(),
});
export type CommandEnd = z.output<typeof commandEndSchema>;

/** How a command ended, as the guest reports it. */
export const execEndingSchema = commandEndSchema.omit({ startError: true, unknownReason: true }).extend({
  exitCode: z.number().int().min(0).max(255).nullable(),
  signal: z
    .string()
    .max(32)
    .regex(/^SIG[A-Z0-9+-]+$/)
    .nullable(),
  syncError: z.string().max(4096).optional(),
  /** Why the command could not be started */
  error: z.object({ code: z.string().max(64), message: z.string().max(4096) }).optional(),
});
export type ExecEnding = z.output<typeof execEndingSchema>;

/** A signal for every process of a command, by its name without `SIG`. */
export const commandSignalSchema = z.object({ signal: z.string() });

/** A socket on which a process of a command takes connections. */
const listenerSchema = z.object({
  address: z.string().max(64),
  port: z.number().int().min(0).max(65_535),
  pid: z.number().int(),
  command: z.string().max(64).describe("Name of the process"),
});

export const commandStateRequestSchema = z.object({ label: z.string() });

/** What a running command does at this moment. */
export const commandStateSchema = z.object({
  processCount: z.number().int(),
  memoryBytes: z.number().nullable(),
  cpuMs: z.number(),
  listening: z.array(listenerSchema).max(64),
});
export type CommandState = z.output<typeof commandStateSchema>;

/** A signal for a running command, which it gets whether or not it reads its input. */
export const signalRequestSchema = commandStateRequestSchema.extend({
  ...commandSignalSchema.shape,
  /** Whether only the process group that has the keyboard of its terminal gets it */
  foreground: z.boolean().optional(),
});

/** The process group that got a signal; 0 for the whole command. */
export const signalAnswerSchema = z.object({ group: z.number().int() });

export const terminalResizeSchema = commandStateRequestSchema.extend(terminalSizeSchema.shape);

/** What happens at the terminal of a command at one moment. */
export const terminalStateSchema = z.object({
  cols: z.number().int(),
  rows: z.number().int(),
  /** The process that has the keyboard */
  foreground: z
    .object({ pid: z.number().int(), command: z.string().max(1024), reads: z.enum(["yes", "also", "no", "unknown"]) })
    .nullable(),
  /** Whether programs read whole lines */
  byLine: z.boolean(),
  /** Whether what is typed is shown */
  echo: z.boolean(),
  unreadBytes: z.number(),
  receivedBytes: z.number(),
  sentBytes: z.number(),
});
export type TerminalState = z.output<typeof terminalStateSchema>;

/** The process of a guest that wants something. Its fields are missing if it is unknown. */
const connectionOwnerSchema = z.object({
  pid: z.number().int().optional(),
  /** Name of the process, as `ps` shows it */
  process: z.string().max(64).optional(),
  /** Label of the command that it belongs to */
  label: z.string().max(128).optional(),
});

const announcementId = z.number().int().positive();

/** A process asks for the address of a name. */
export const questionSchema = connectionOwnerSchema.extend({
  id: announcementId,
  name: z.string().max(1024),
  /** Type of the records, such as A */
  type: z.string().max(32),
});
export type Question = z.output<typeof questionSchema>;

/** A process connects to an address. */
export const connectionSchema = connectionOwnerSchema.extend({
  id: announcementId,
  address: z.string().max(64),
  port: z.number().int().min(0).max(65_535),
});
export type Connection = z.output<typeof connectionSchema>;

export const announcementAnswerSchema = z.object({ id: announcementId, address: z.string().nullable() });

/** The report of a guest that has nothing to say */
export const nothingReported: Omit<ExecEnding, "durationMs"> = {
  exitCode: null,
  signal: null,
  timedOut: false,
  cancelled: false,
  oomKilled: false,
};

export const agentErrorSchema = z.object({
  error: z.object({
    code: z.string().max(64),
    message: z.string().max(4096),
    // Of the symbolic link that a write would have replaced
    ...linkText,
  }),
});
