import { firstBytes, fitting } from "../../core/shorten.ts";
import {
  asText,
  bytesOf,
  endingInWords,
  readableStreams,
  roomsFor,
  type Stream,
  type Streams,
  shortLine,
  streamsText,
} from "../../operations/command-view.ts";

/** A history of commands as a model can read it. */

interface LogEntry extends Streams {
  readonly sequence: number;
  readonly command: string[];
  readonly state: "running" | "ended" | "unknown";
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  readonly unknownReason: string | null;
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
  readonly stdoutNextOffset: number | null;
  readonly stderrNextOffset: number | null;
  readonly durationMs: number | null;
}

interface Logs<E extends LogEntry> {
  readonly workspaceId: string;
  /** Also of those that are not shown */
  readonly count: number;
  readonly entries: E[];
}

/** What an entry takes beside its output */
const otherChars = 800;
/** When there are more commands the room is shared among so many, and what they leave is for older ones */
const maxSharing = 8;

/** All of the output of one command as far as there is room; of many, the newest with a share for each. */
export function readableLogs<E extends LogEntry, L extends Logs<E>>(logs: L, maxChars: number): L {
  const [only, another] = logs.entries;
  if (only && !another) return { ...logs, entries: [readableEntry(only, maxChars - otherChars)] };
  const share = maxChars / Math.min(maxSharing, Math.max(1, logs.entries.length)) - otherChars;
  const newestFirst = logs.entries.toReversed().map((entry) => readableEntry(entry, Math.max(share, 200)));
  return { ...logs, entries: fitting(newestFirst, maxChars - 100).toReversed() };
}

function readableEntry<E extends LogEntry>(entry: E, maxChars: number): E {
  const short = { ...entry, command: shortLine(entry.command) };
  if (isPage(entry, "stdout") || isPage(entry, "stderr")) return readablePage(short, maxChars);
  return readableStreams(
    short,
    maxChars,
    (stream, offset) => `sequence=${entry.sequence}, stream="${stream}", offset=${offset} and max_bytes show them`,
  );
}

/** Whether somebody reads a stream piece by piece: not from its beginning, or not to its end. */
function isPage(entry: LogEntry, stream: Stream): boolean {
  const next = entry[`${stream}NextOffset`];
  return entry[`${stream}Offset`] > 0 || (next !== null && next < entry[`${stream}Bytes`]);
}

/** Pages are cut at their end only, and the next one begins there. */
function readablePage<E extends LogEntry>(entry: E, maxChars: number): E {
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

export function logsText({ count, entries }: Logs<LogEntry>): string {
  if (count === 0) return "No commands yet.\n";
  const missing = count - entries.length;
  const before = missing > 0 ? `[… ${missing} earlier commands; sequence shows one of them …]\n\n` : "";
  return `${before}${entries.map(entryText).join("\n")}`;
}

function entryText(entry: LogEntry): string {
  const { sequence, command, state, unknownReason, cancelled } = entry;
  const ending = { ...entry, oomKilled: false, startError: null };
  const outcome =
    state === "running" ? "still running" : (unknownReason ?? (cancelled ? "cancelled" : endingInWords(ending)));
  const next = (["stdout", "stderr"] as const).flatMap((stream) => {
    const offset = entry[`${stream}NextOffset`];
    return offset === null || offset >= entry[`${stream}Bytes`]
      ? []
      : [`[${stream} goes on at offset=${offset} of ${entry[`${stream}Bytes`]}]\n`];
  });
  return [`${sequence}: $ ${command.join(" ")}\n`, streamsText(entry), ...next, `[${outcome}]\n`].join("");
}
