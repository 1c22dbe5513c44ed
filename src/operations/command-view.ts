import type * as z from "zod";
import { beginningOf, firstBytes, lastBytes } from "../core/shorten.ts";
import { bytesBefore, leftOutMark, notText } from "../core/terminal/shown-lines.ts";
import type { CommandEnd } from "../guest/messages.ts";
import type { collectedOutputSchema } from "./collected-output.ts";

/** A command's output as a model can read it. */

export type Streams = z.output<typeof collectedOutputSchema>;
export type Stream = "stdout" | "stderr";

/**
 * Share of characters in another encoding, or control characters, up to which output still counts
 * as text
 */
const maxOddPart = 0.25;
/** The same as a number, for short output */
const maxOddCount = 8;
const maxCommandBytes = 200;
/** Characters of a result without its output */
const otherChars = 1_000;
/**
 * Limit for a result that a model has not asked to see whole. It has room for a long test run's
 * beginning and end, and every later turn costs what a result has
 */
export const commandResultChars = 11_000;

/**
 * Shortens a command's result to about `maxChars`, with both ends of each stream. `rest` says how
 * to get what is left out from a byte on, or all of the output as it was written.
 */
export function shortenCommand<O extends Streams & { readonly command: string[] }>(
  output: O,
  maxChars: number,
  rest: (stream: Stream, offset: number | undefined) => string,
): O {
  const short = { ...output, command: shortLine(output.command) };
  return readableStreams(short, maxChars - otherChars, rest);
}

/** Shortens both streams to about `maxChars` in the same way. */
export function readableStreams<O extends Streams>(
  output: O,
  maxChars: number,
  rest: (stream: Stream, offset: number | undefined) => string,
): O {
  const bytes = bytesOf(output);
  const rooms = roomsFor(bytes, maxChars);
  const isLonger = (stream: Stream) => bytes[stream].length > rooms[stream];
  const shown = (stream: Stream) => {
    const totalBytes = output[`${stream}Bytes`];
    if (!isLonger(stream)) return asText(bytes[stream], totalBytes);
    const half = rooms[stream] / 2;
    const [head, tail] = [firstBytes(bytes[stream], half), lastBytes(bytes[stream], half)];
    const wholeBytes = bytesBefore(bytes[stream]);
    // Where the text is shorter than what was written, its bytes have other offsets.
    const offset = wholeBytes === totalBytes ? head.length : undefined;
    const mark = Buffer.from(leftOutMark(wholeBytes - head.length - tail.length, `; ${rest(stream, offset)}`));
    const lineEnd = Buffer.from(head.at(-1) === 0x0a ? "" : "\n");
    return asText(Buffer.concat([head, lineEnd, mark, tail]), totalBytes);
  };
  return {
    ...output,
    stdout: shown("stdout"),
    stdoutEncoding: "utf-8",
    stderr: shown("stderr"),
    stderrEncoding: "utf-8",
    truncated: output.truncated || isLonger("stdout") || isLonger("stderr"),
  };
}

/** Gives each stream a third of the space, and what the other does not need. */
export function roomsFor(
  { stdout, stderr }: Readonly<Record<Stream, Buffer>>,
  maxChars: number,
): Readonly<Record<Stream, number>> {
  const least = maxChars / 3;
  const forStderr = Math.max(least, maxChars - stdout.length);
  return { stdout: Math.max(least, maxChars - Math.min(stderr.length, forStderr)), stderr: forStderr };
}

/** The streams as the guest wrote them, as far as a result has them. */
export function bytesOf(output: Streams): Readonly<Record<Stream, Buffer>> {
  const bytes = (stream: Stream) =>
    Buffer.from(output[stream], output[`${stream}Encoding`] === "base64" ? "base64" : "utf8");
  return { stdout: bytes("stdout"), stderr: bytes("stderr") };
}

/**
 * Output as text. Output that is not text becomes a line that says so, because a model could not
 * read it.
 */
export function asText(bytes: Buffer, totalBytes: number): string {
  const text = bytes.toString("utf8");
  const oddCount = text.match(/\uFFFD|(?!\s)\p{Cc}/gu)?.length ?? 0;
  return oddCount <= Math.max(maxOddCount, maxOddPart * text.length) ? text : notText(totalBytes);
}

/**
 * Arguments of `workspace_logs` that show a stream as it was written, from an offset if it is known
 */
export function rawOutput(sequence: number, stream: Stream, offset: number | undefined): string {
  const from = offset === undefined ? "offset" : `offset=${offset}`;
  return `sequence=${sequence}, stream="${stream}", ${from} and max_bytes`;
}

/** The beginning of a command, by which the model that wrote it knows it. */
export function shortLine(command: readonly string[]): string[] {
  const line = command.join(" ");
  return line.length <= maxCommandBytes ? [...command] : [`${beginningOf(line, maxCommandBytes).trimEnd()} …`];
}

/**
 * The end of a command in a result. A history shows less of it, and has no duration while the
 * command runs.
 */
type ShownEnd = Pick<CommandEnd, "exitCode" | "signal" | "timedOut"> &
  Omit<Partial<CommandEnd>, "durationMs"> & { readonly durationMs: number | null };

/** How a command ended, in words. */
export function endingInWords({ exitCode, signal, timedOut, oomKilled, startError, durationMs }: ShownEnd): string {
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

/** Both streams, separated if neither is empty. */
export function streamsText({ stdout, stderr }: Pick<Streams, Stream>): string {
  const whole = (text: string) => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
  if (stdout === "" && stderr === "") return "(no output)\n";
  return stderr === "" ? whole(stdout) : `${whole(stdout)}[stderr]\n${whole(stderr)}`;
}
