import * as z from "zod";
import { collectedOutputSchema, decodeOutput } from "../../operations/collected-output.ts";
import { exitCodeMeaning } from "../../operations/command-fields.ts";
import { executionMode } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { commandLogs, type LoggedCommand } from "./logs.ts";
import { logsText, readableLogs } from "./logs-view.ts";

const nextOffset = z
  .number()
  .nullable()
  .describe(
    "Offset to read on from; null when the stream has ended and nothing of it is left, or it was not asked for",
  );

const logEntry = z.object({
  sequence: z.number(),
  command: z.array(z.string()),
  cwd: z.string(),
  state: z.enum(["running", "ended", "unknown"]).describe("unknown: it began, and nobody saw how it ended"),
  exitCode: z.number().nullable().describe(`${exitCodeMeaning}; null while that is not known`),
  signal: z.string().nullable(),
  timedOut: z.boolean(),
  cancelled: z.boolean(),
  unknownReason: z.string().nullable().describe("Why it is unknown how it ended"),
  ...collectedOutputSchema.shape,
  stdoutOffset: z.number().describe("Where in the stream it begins"),
  stderrOffset: z.number(),
  stdoutNextOffset: nextOffset,
  stderrNextOffset: nextOffset,
  truncated: z
    .boolean()
    .describe(
      "Something is missing: of each stream the first MiB is kept, and at least the last; a line says how much",
    ),
  durationMs: z.number().nullable(),
  executionMode,
  recordedAt: z.string(),
});

export const workspaceLogs = defineOperation({
  name: "workspace.logs",
  summary: "Show commands since the last reset with their output, in order",
  effect: "read",
  input: z.object({
    workspaceId,
    sequence: z.number().int().min(1).optional().describe("Only the command of this number"),
    waitSeconds: z
      .number()
      .min(0)
      .max(3600)
      .default(0)
      .describe("Wait so long at most until that command, or the last one, has ended"),
    stream: z.enum(["stdout", "stderr"]).optional().describe("Only what was written to this stream"),
    offset: z.number().int().min(0).default(0).describe("First byte of each stream to show"),
    maxBytes: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("How much of each stream to show (default: all that is kept)"),
  }),
  output: z.object({ workspaceId: z.string(), count: z.number(), entries: z.array(logEntry) }),
  cli: {
    positionals: ["workspaceId"],
    examples: [
      "workspace logs 0a1b2c3d4e5f",
      "workspace logs 0a1b2c3d4e5f --sequence 3 --wait-seconds 600",
      "workspace logs 0a1b2c3d4e5f --sequence 3 --stream stdout --offset 65536 --max-bytes 65536 --json",
    ],
    content: ({ entries }) => (entries.length === 0 ? "No commands yet.\n" : entries.map(renderLogEntry).join("\n")),
  },
  mcp: {
    description:
      "Show the commands since the last reset with their output. With sequence: of that command only, also while it runs; wait_seconds waits for its end. With max_bytes: its output page by page, from offset.",
    readable: readableLogs,
    text: logsText,
  },
  async handle(
    { engine: context, signal, detachAfterMs, keptOutputBytes },
    { workspaceId: id, waitSeconds, ...input },
  ) {
    const wanted = { context, workspaceId: id, signal };
    // Whoever does not begin at the beginning reads page by page.
    const request = { ...input, maxBytes: input.maxBytes ?? (input.offset > 0 ? keptOutputBytes : undefined) };
    const waitMs = Math.min(waitSeconds * 1000, detachAfterMs ?? Number.POSITIVE_INFINITY);
    const commands = await commandLogs(wanted, { ...request, waitMs });
    return { workspaceId: id, count: commands.length, entries: commands.map(logEntryOf) };
  },
});

function logEntryOf({ end, stdout, stderr, startedAt, ...begun }: LoggedCommand): z.input<typeof logEntry> {
  const [out, err] = [decodeOutput(stdout.bytes), decodeOutput(stderr.bytes)];
  return {
    ...begun,
    command: [...begun.command],
    state: !end ? "running" : end.unknownReason === null ? "ended" : "unknown",
    exitCode: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    timedOut: end?.timedOut ?? false,
    cancelled: end?.cancelled ?? false,
    unknownReason: end?.unknownReason ?? null,
    ...{ stdout: out.text, stdoutEncoding: out.encoding, stdoutBytes: stdout.totalBytes },
    ...{ stderr: err.text, stderrEncoding: err.encoding, stderrBytes: stderr.totalBytes },
    ...{ stdoutOffset: stdout.offset, stderrOffset: stderr.offset },
    ...{ stdoutNextOffset: stdout.nextOffset, stderrNextOffset: stderr.nextOffset },
    truncated: stdout.isCut || stderr.isCut,
    durationMs: end?.durationMs ?? null,
    executionMode: "guest",
    recordedAt: startedAt,
  };
}

function renderLogEntry(entry: z.output<typeof logEntry>): string {
  const { sequence, command, cwd, exitCode, durationMs, state, unknownReason } = entry;
  const outcome = exitCode === null ? (unknownReason ?? state) : `exit_code=${exitCode}`;
  const took = durationMs === null ? "" : ` duration_ms=${Math.round(durationMs)}`;
  const text = (content: string, encoding: string) => {
    // Bytes that are no text, as far as they can be shown.
    const shown = encoding === "base64" ? Buffer.from(content, "base64").toString("utf8") : content;
    return shown === "" || shown.endsWith("\n") ? shown : `${shown}\n`;
  };
  const more = (name: string, next: number | null, totalBytes: number) =>
    next === null || next >= totalBytes ? "" : ` ${name}_next_offset=${next}`;
  const facts = [
    `sequence=${sequence} cwd=${cwd} ${outcome}${took}${entry.truncated ? " truncated=true" : ""}`,
    more("stdout", entry.stdoutNextOffset, entry.stdoutBytes),
    more("stderr", entry.stderrNextOffset, entry.stderrBytes),
  ];
  const parts = [
    `[workspace-log] ${facts.join("")}\n`,
    `$ ${command.join(" ")}\n`,
    text(entry.stdout, entry.stdoutEncoding),
    ...(entry.stderr === "" ? [] : [`[stderr]\n${text(entry.stderr, entry.stderrEncoding)}`]),
  ];
  return parts.join("");
}
