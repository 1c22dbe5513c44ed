import * as z from "zod";
import { nothingKnown } from "../../machines/exit-status.ts";
import { type DecodedOutput, decodeOutput, terminalText } from "../../operations/collected-output.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceId } from "../life/workspace-view.ts";
import type { KeptOutput } from "./kept-output-pages.ts";
import { lastLines, listedBytes } from "./last-lines-view.ts";
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
      "List the commands since the last reset with their last lines. With sequence: one command with its output, also while it runs; wait_seconds waits for its end; offset and max_bytes read its raw output in pages.",
    shortened: shortenLogs,
    text: logsText,
  },
  async handle(
    { engine: context, signal, detachAfterMs, keptOutputBytes, asTerminal = false },
    { workspaceId: id, waitSeconds, ...input },
  ) {
    const wanted = { context, workspaceId: id, signal };
    const view = asTerminal ? terminalView(input, keptOutputBytes ?? Number.POSITIVE_INFINITY) : wholeOutput;
    // A caller that does not begin at the beginning reads page by page.
    const maxBytes = input.maxBytes ?? (input.offset > 0 ? keptOutputBytes : undefined);
    const waitMs = Math.min(waitSeconds * 1000, detachAfterMs ?? Number.POSITIVE_INFINITY);
    const commands = await commandLogs(wanted, { ...input, maxBytes, lastBytes: view.lastBytes, waitMs });
    return { workspaceId: id, count: commands.length, entries: commands.map((command) => logEntryOf(command, view)) };
  },
});

/** How the output of commands is shown. */
interface OutputView {
  /** How much of a stream's end it needs; default: the whole stream */
  readonly lastBytes?: number;
  show(output: KeptOutput, sequence: number): DecodedOutput & { readonly isCut?: boolean };
}

const wholeOutput: OutputView = { show: ({ bytes }) => decodeOutput(bytes) };

/**
 * Output as a model reads it: of one command whole, of many the last lines. Pages have what was
 * written, because their offsets count those bytes.
 */
function terminalView(
  { sequence, offset, maxBytes }: { sequence?: number | undefined; offset: number; maxBytes?: number | undefined },
  maxChars: number,
): OutputView {
  if (offset > 0 || maxBytes !== undefined) return wholeOutput;
  if (sequence !== undefined) return { show: ({ bytes }) => terminalText(bytes, maxChars) };
  return { lastBytes: listedBytes, show: lastLines };
}

function logEntryOf({ end, stdout, stderr, startedAt, ...begun }: LoggedCommand, view: OutputView): LogEntry {
  const [out, err] = [view.show(stdout, begun.sequence), view.show(stderr, begun.sequence)];
  // The last lines stand for all of the stream: a line in place of the others says so.
  const offsetOf = ({ offset }: KeptOutput) => (view.lastBytes === undefined ? offset : 0);
  return {
    ...begun,
    ...(end ?? { ...nothingKnown, durationMs: null, redactedCount: 0 }),
    state: !end ? "running" : end.unknownReason === null ? "ended" : "unknown",
    stdout: out.text,
    stdoutEncoding: out.encoding,
    stdoutBytes: stdout.totalBytes,
    stdoutOffset: offsetOf(stdout),
    stdoutNextOffset: stdout.nextOffset,
    stderr: err.text,
    stderrEncoding: err.encoding,
    stderrBytes: stderr.totalBytes,
    stderrOffset: offsetOf(stderr),
    stderrNextOffset: stderr.nextOffset,
    truncated: [stdout, stderr, out, err].some(({ isCut }) => isCut === true),
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
