import * as z from "zod";

/**
 * Version of the protocol in agent/PROTOCOL.md. Host and guest refuse each other if the majors
 * differ.
 */
export const protocolVersion = "2.2";

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

/** What makes a clone unlike its siblings; sent before any user code runs in it. */
export const forkRequestSchema = z.object({
  /** Every later request must carry it */
  token: z.string(),
  entropyBase64: z.string(),
  /** Decimal, because nanoseconds do not fit a JSON number */
  timeUnixNs: z.string(),
  hostname: z.string(),
  /** 32 hexadecimal digits */
  machineId: z.string(),
  macAddress: z.string().optional(),
  workspace: z.object({ device: z.string(), mountPoint: z.string() }).optional(),
});
export type ForkRequest = z.output<typeof forkRequestSchema>;

export const forkAnswerSchema = z.object({ timeUnixMs: z.number() });

export const clockRequestSchema = z.object({ timeUnixNs: z.string() });

export const execSpecSchema = z.object({
  /** Program and arguments; either this or `shell` */
  argv: z.array(z.string()).optional(),
  /** Text for the guest's shell */
  shell: z.string().optional(),
  /** Default: `/workspace` where it exists, else `/` */
  cwd: z.string().optional(),
  /** Added to the agent's default environment; null removes a variable */
  env: z.record(z.string(), z.string().nullable()).optional(),
  /** 0 means no limit */
  timeoutMs: z.number().int(),
  /** Without it the command reads an empty stream */
  stdin: z.boolean(),
  /** What the command wrote is on the disks before its end is told */
  sync: z.boolean().optional(),
});
export type ExecSpec = z.output<typeof execSpecSchema>;

export const execEndingSchema = z.object({
  exitCode: z.number().int().min(0).max(255).nullable(),
  /** Such as `SIGKILL`, when a signal ended the command */
  signal: z
    .string()
    .max(32)
    .regex(/^SIG[A-Z0-9+-]+$/)
    .nullable(),
  timedOut: z.boolean(),
  cancelled: z.boolean(),
  durationMs: z.number(),
  oomKilled: z.boolean(),
  /** Why what it wrote may not be on the disks, although that was asked for */
  syncError: z.string().max(4096).optional(),
  /** Why the command could not be started */
  error: z.object({ code: z.string().max(64), message: z.string().max(4096) }).optional(),
});
export type ExecEnding = z.output<typeof execEndingSchema>;

export const agentErrorSchema = z.object({
  error: z.object({ code: z.string().max(64), message: z.string().max(4096) }),
});
