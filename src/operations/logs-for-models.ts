import { endingInWords, readable, readableStreams, type Streams, shortLine, streamsText } from "./model-output.ts";
import { beginningOf, fitting } from "./shorten.ts";

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
  if (entry.stdoutNextOffset !== null || entry.stderrNextOffset !== null) return readablePage(short, maxChars);
  return readableStreams(
    short,
    maxChars,
    (stream, offset) => `sequence=${entry.sequence}, stream="${stream}", offset=${offset} and max_bytes show them`,
  );
}

/** What is read page by page is cut at its end only, and the next page begins there. */
function readablePage<E extends LogEntry>(entry: E, maxChars: number): E {
  const [stdout, stdoutNextOffset] = page(entry, "stdout", maxChars / 2);
  const [stderr, stderrNextOffset] = page(entry, "stderr", maxChars - stdout.length);
  return {
    ...entry,
    stdout,
    stderr,
    stdoutEncoding: "utf-8",
    stderrEncoding: "utf-8",
    stdoutNextOffset,
    stderrNextOffset,
  };
}

function page(entry: LogEntry, stream: "stdout" | "stderr", maxChars: number): readonly [string, number | null] {
  const next = entry[`${stream}NextOffset`];
  const whole = readable(entry[stream], entry[`${stream}Encoding`]);
  const other = entry[stream === "stdout" ? "stderr" : "stdout"];
  const shown = beginningOf(whole, Math.floor(other === "" ? maxChars * 2 : maxChars));
  if (next === null || shown === whole) return [shown, next];
  return [shown, next - (Buffer.byteLength(whole) - Buffer.byteLength(shown))];
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
