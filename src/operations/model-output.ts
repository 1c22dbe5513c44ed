import type * as z from "zod";
import type { collectedOutputSchema } from "./collected-output.ts";
import { beginningOf, endsOf } from "./shorten.ts";

/** A command's output as a model can read it. */

export type Streams = z.output<typeof collectedOutputSchema>;
type Stream = "stdout" | "stderr";

/** Of text with some bytes in another encoding at most this part is replaced; more of it, and it is something else than text */
const maxOddPart = 0.25;
const maxCommandChars = 200;

/** Both streams in about `maxChars`; `rest` says how to get what is left out from a byte on. */
export function readableStreams<O extends Streams>(
  output: O,
  maxChars: number,
  rest: (stream: Stream, offset: number) => string,
): O {
  const stdout = readable(output.stdout, output.stdoutEncoding);
  const stderr = readable(output.stderr, output.stderrEncoding);
  // A third at least for each, and what the other does not need.
  const stderrRoom = Math.max(maxChars / 3, maxChars - stdout.length);
  const stdoutRoom = Math.max(maxChars / 3, maxChars - Math.min(stderr.length, stderrRoom));
  const shown = (stream: Stream, text: string, room: number) =>
    endsOf(text, {
      maxChars: Math.floor(room),
      mark: (before, shownBytes) => {
        const leftOut = Math.max(0, output[`${stream}Bytes`] - shownBytes);
        return `${leftOut} bytes left out; ${rest(stream, before)}`;
      },
    });
  const [shownOut, shownErr] = [shown("stdout", stdout, stdoutRoom), shown("stderr", stderr, stderrRoom)];
  const isCut = shownOut !== stdout || shownErr !== stderr;
  return {
    ...output,
    ...{ stdout: shownOut, stdoutEncoding: "utf-8", stderr: shownErr, stderrEncoding: "utf-8" },
    truncated: output.truncated || isCut,
  };
}

/** Output with odd bytes in it is text nevertheless; what is none would tell a model nothing. */
export function readable(text: string, encoding: Streams["stdoutEncoding"]): string {
  if (encoding === "utf-8") return text;
  const bytes = Buffer.from(text, "base64");
  const decoded = bytes.toString("utf8");
  const oddCount = decoded.match(/\uFFFD|(?!\s)\p{Cc}/gu)?.length ?? 0;
  if (oddCount <= maxOddPart * decoded.length) return decoded;
  return `[${bytes.length} bytes that are not text]\n`;
}

/** A command as a line of a result: a model that has just written it knows the rest. */
export function shortLine(command: readonly string[]): string[] {
  const line = command.join(" ");
  return line.length <= maxCommandChars ? [...command] : [`${beginningOf(line, maxCommandChars).trimEnd()} …`];
}

export interface CommandReport extends Streams {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly oomKilled?: boolean;
  readonly startError?: string | null;
  readonly durationMs: number | null;
}

/** How a command ended, in words. */
export function endingInWords({
  exitCode,
  signal,
  timedOut,
  oomKilled,
  startError,
  durationMs,
}: CommandReport): string {
  const took = durationMs === null ? "" : ` after ${(durationMs / 1000).toFixed(1)} s`;
  const parts = [
    startError ? `could not be started: ${startError}` : undefined,
    timedOut ? `killed at its time limit${took}, with all that it started` : undefined,
    oomKilled ? "the guest ran out of memory" : undefined,
    signal === null || timedOut ? undefined : `ended by ${signal}`,
    exitCode === null ? undefined : `exit code ${exitCode}${timedOut ? "" : took}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** Both streams, apart from each other where both have something. */
export function streamsText({ stdout, stderr }: Pick<Streams, Stream>): string {
  const whole = (text: string) => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
  if (stdout === "" && stderr === "") return "(no output)\n";
  if (stderr === "") return whole(stdout);
  return `${stdout === "" ? "" : whole(stdout)}[stderr]\n${whole(stderr)}`;
}
