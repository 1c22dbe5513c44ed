import * as z from "zod";
import { firstBytes, fitting } from "../../core/shorten.ts";
import { commandEndSchema } from "../../guest/messages.ts";
import { collectedOutputSchema } from "../../operations/collected-output.ts";
import { exitCodeMeaning } from "../../operations/command-fields.ts";
import {
  asText,
  bytesOf,
  endingInWords,
  rawOutput,
  readableStreams,
  roomsFor,
  type Stream,
  shortLine,
  streamsText,
} from "../../operations/command-view.ts";
import { executionMode } from "../../operations/fields.ts";
import { begunCommandSchema, recordedEndSchema } from "../record/journal.ts";

/** A history of commands as a model can read it. */

const nextOffset = z
  .number()
  .nullable()
  .describe(
    "Offset to read on from; null when the stream has ended and nothing of it is left, or it was not asked for",
  );

const logEntry = z.object({
  ...begunCommandSchema.shape,
  state: z.enum(["running", "ended", "unknown"]).describe("unknown: it began, and pyro does not know how it ended"),
  exitCode: commandEndSchema.shape.exitCode.describe(`${exitCodeMeaning}; null while that is not known`),
  ...commandEndSchema.omit({ exitCode: true, oomKilled: true, startError: true, syncError: true, durationMs: true })
    .shape,
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
  redactedCount: recordedEndSchema.shape.redactedCount.unwrap(),
  durationMs: commandEndSchema.shape.durationMs.nullable(),
  executionMode,
  recordedAt: z.string(),
});
export type LogEntry = z.output<typeof logEntry>;

/** The count includes entries that are not shown. */
export const logsOutput = z.object({ workspaceId: z.string(), count: z.number(), entries: z.array(logEntry) });
type Logs = z.output<typeof logsOutput>;

/** Characters of an entry without its output */
const otherChars = 800;
/** Number of newest commands that share the space. Older ones get the rest */
const maxSharing = 8;

/** A list's entry fits whole, however long the list is */
const minShare = 1_500;

/**
 * Shortens logs. A single command gets all of the space, and the newest of many get a share each.
 */
export function shortenLogs(logs: Logs, maxChars: number): Logs {
  const [only, another] = logs.entries;
  if (only && !another) return { ...logs, entries: [shortenEntry(only, maxChars - otherChars)] };
  const share = maxChars / Math.min(maxSharing, Math.max(1, logs.entries.length)) - otherChars;
  const newestFirst = logs.entries.toReversed().map((entry) => shortenEntry(entry, Math.max(share, minShare)));
  return { ...logs, entries: fitting(newestFirst, maxChars - 100).toReversed() };
}

function shortenEntry(entry: LogEntry, maxChars: number): LogEntry {
  const short = { ...entry, command: shortLine(entry.command) };
  if (isPage(entry, "stdout") || isPage(entry, "stderr")) return shortenPage(short, maxChars);
  return readableStreams(short, maxChars, (stream, offset) => `${rawOutput(entry.sequence, stream, offset)} show them`);
}

/** Whether the caller reads a stream piece by piece: not from its beginning, or not to its end. */
function isPage(entry: LogEntry, stream: Stream): boolean {
  const next = entry[`${stream}NextOffset`];
  return entry[`${stream}Offset`] > 0 || (next !== null && next < entry[`${stream}Bytes`]);
}

/** Pages are cut at their end only, and the next one begins there. */
function shortenPage(entry: LogEntry, maxChars: number): LogEntry {
  const streams = bytesOf(entry);
  const rooms = roomsFor(streams, maxChars);
  const page = (stream: Stream): readonly [string, number | null] => {
    const bytes = streams[stream];
    const shown = firstBytes(bytes, rooms[stream]);
    const next = shown.length === bytes.length ? entry[`${stream}NextOffset`] : entry[`${stream}Offset`] + shown.length;
    return [asText(shown, shown.length), next];
  };
  const [[stdout, stdoutNextOffset], [stderr, stderrNextOffset]] = [page("stdout"), page("stderr")];
  const encodings = { stdoutEncoding: "utf-8", stderrEncoding: "utf-8" } as const;
  return { ...entry, stdout, stderr, ...encodings, stdoutNextOffset, stderrNextOffset };
}

export function logsText({ count, entries }: Logs): string {
  if (count === 0) return "No commands yet.\n";
  const missing = count - entries.length;
  const before = missing > 0 ? `[… ${missing} earlier commands; sequence shows one of them …]\n\n` : "";
  return `${before}${entries.map(entryText).join("\n")}`;
}

function entryText(entry: LogEntry): string {
  const { sequence, command, state, unknownReason, cancelled } = entry;
  const outcome =
    state === "running" ? "still running" : (unknownReason ?? (cancelled ? "cancelled" : endingInWords(entry)));
  const next = (["stdout", "stderr"] as const).flatMap((stream) => {
    const offset = entry[`${stream}NextOffset`];
    return offset === null || offset >= entry[`${stream}Bytes`]
      ? []
      : [`[${stream} goes on at offset=${offset} of ${entry[`${stream}Bytes`]}]\n`];
  });
  return [`${sequence}: $ ${command.join(" ")}\n`, streamsText(entry), ...next, `[${outcome}]\n`].join("");
}
