import * as z from "zod";
import { nothingKnown } from "../../machines/exit-status.ts";
import { decodeOutput } from "../../operations/collected-output.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { commandLogs, type LoggedCommand } from "./logs.ts";
import { type LogEntry, logsOutput, logsText, shortenLogs } from "./logs-view.ts";

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
    stream: z.enum(["stdout", "stderr"]).optional().describe("Only this stream"),
    offset: z.number().int().min(0).default(0).describe("First byte of each stream to show"),
    maxBytes: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("How much of each stream to show (default: all that is kept)"),
  }),
  output: logsOutput,
  cli: {
    positionals: ["workspaceId"],
    examples: [
      "workspace logs 0a1b2c3d4e5f",
      "workspace logs 0a1b2c3d4e5f --sequence 3 --wait-seconds 600",
      "workspace logs 0a1b2c3d4e5f --sequence 3 --stream stdout --offset 65536 --max-bytes 65536 --json",
    ],
    raw: ({ entries }) => (entries.length === 0 ? "No commands yet.\n" : entries.map(renderLogEntry).join("\n")),
  },
  mcp: {
    description:
      "Show the commands since the last reset with their output. With sequence: of that command only, also while it runs; wait_seconds waits for its end. With max_bytes: its output page by page, from offset.",
    shortened: shortenLogs,
    text: logsText,
  },
  async handle(
    { engine: context, signal, detachAfterMs, keptOutputBytes },
    { workspaceId: id, waitSeconds, ...input },
  ) {
    const wanted = { context, workspaceId: id, signal };
    // A caller that does not begin at the beginning reads page by page.
    const request = { ...input, maxBytes: input.maxBytes ?? (input.offset > 0 ? keptOutputBytes : undefined) };
    const waitMs = Math.min(waitSeconds * 1000, detachAfterMs ?? Number.POSITIVE_INFINITY);
    const commands = await commandLogs(wanted, { ...request, waitMs });
    return { workspaceId: id, count: commands.length, entries: commands.map(logEntryOf) };
  },
});

function logEntryOf({ end, stdout, stderr, startedAt, ...begun }: LoggedCommand): LogEntry {
  const [out, err] = [decodeOutput(stdout.bytes), decodeOutput(stderr.bytes)];
  return {
    ...begun,
    ...(end ?? { ...nothingKnown, durationMs: null }),
    state: !end ? "running" : end.unknownReason === null ? "ended" : "unknown",
    stdout: out.text,
    stdoutEncoding: out.encoding,
    stdoutBytes: stdout.totalBytes,
    stdoutOffset: stdout.offset,
    stdoutNextOffset: stdout.nextOffset,
    stderr: err.text,
    stderrEncoding: err.encoding,
    stderrBytes: stderr.totalBytes,
    stderrOffset: stderr.offset,
    stderrNextOffset: stderr.nextOffset,
    truncated: stdout.isCut || stderr.isCut,
    executionMode: "guest",
    recordedAt: startedAt,
  };
}

function renderLogEntry(entry: LogEntry): string {
  const { sequence, command, cwd, exitCode, durationMs, state, unknownReason } = entry;
  const outcome = exitCode === null ? (unknownReason ?? state) : `exit_code=${exitCode}`;
  const took = durationMs === null ? "" : ` duration_ms=${Math.round(durationMs)}`;
  const text = (content: string, encoding: string) => {
    // Bytes that are not text are shown as far as they can be.
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
