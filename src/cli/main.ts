import { type Command, CommanderError } from "commander";
import { composeEngineContext } from "../compose.ts";
import { errorCodes, messageOf, PyroError } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { toWire } from "../core/wire-case.ts";
import { commands, sayInCommandLine } from "../operations/command-line.ts";
import { invoke, type Operation, type OperationContext } from "../operations/operation.ts";
import { findOperation, ownWords, requireReadable, requireUtf8, separateCommand, takesCommand } from "./arguments.ts";
import { nameOfField } from "./flags.ts";
import { liveStreams } from "./live-streams.ts";
import type { McpFlags } from "./mcp-command.ts";
import { flush, type Stop, stopOnSignals } from "./process-end.ts";
import { buildProgram, type Invocation } from "./program.ts";
import { escapeControls, formatError, formatLine, formatProgress, formatTable } from "./render.ts";
import { usualCommand } from "./usual-command.ts";

type HostEnvironment = Parameters<typeof composeEngineContext>[0];

/** Serves an MCP client until it has gone or the signal aborts. */
type ServeMcp = (flags: McpFlags, signal: AbortSignal) => Promise<void>;

/** How long a slow reader may delay the end of the process after a signal */
const stoppedFlushMs = 500;
/**
 * The same after an MCP client has closed standard input. It has gone, or reads the last answers
 * now
 */
const servedFlushMs = 1_000;

/** Runs one command line and resolves with its exit code. */
export async function main(
  argv: readonly string[],
  env: HostEnvironment,
  serveMcp: ServeMcp = notHere,
): Promise<number> {
  const stop = stopOnSignals();
  let hasServed = false;
  const serve: ServeMcp = async (flags, signal) => {
    await serveMcp(flags, signal);
    hasServed = true;
  };
  const exitCode = await runCommandLine(argv, env, serve, stop);
  stop.dispose();
  const unhurriedMs = hasServed ? servedFlushMs : undefined;
  await flush(stop.exitCode === undefined ? unhurriedMs : stoppedFlushMs);
  if (!stop.outputError) return exitCode;
  const failure = new PyroError("internal", `cannot write the output: ${messageOf(stop.outputError)}`);
  process.stderr.write(formatError(failure));
  return failure.exitCode;
}

async function runCommandLine(
  argv: readonly string[],
  env: HostEnvironment,
  serveMcp: ServeMcp,
  stop: Stop,
): Promise<number> {
  let exitCode = 0;
  const words = separateCommand(argv, commands);
  let json = ownWords(words).includes("--json");
  const program = buildProgram({
    version,
    async onInvoke(invocation) {
      json = invocation.json;
      exitCode = await runInvocation(invocation, env, stop);
    },
    onServe: (flags) => serveMcp(flags, stop.signal),
    signal: stop.signal,
  });
  takeOverErrors(program);
  try {
    requireReadable(argv);
    requireUtf8(argv);
    await program.parseAsync(words, { from: "user" });
    return exitCode;
  } catch (error) {
    const failed = report(withUsualCommand(error, words), json, stop);
    return stop.exitCode ?? (failed !== 0 && runsCommand(words) ? ownFailure : failed);
  }
}

async function notHere(): Promise<never> {
  throw new PyroError("internal", "this bundle has no MCP server");
}

async function runInvocation(invocation: Invocation, env: HostEnvironment, stop: Stop): Promise<number> {
  const { operation, input, json } = invocation;
  const context: OperationContext = {
    engine: composeEngineContext(env),
    signal: stop.signal,
    onProgress: (progress) => process.stderr.write(formatProgress(progress)),
    liveStreams: json ? undefined : liveStreams(),
    nameField: (field) => nameOfField(operation, field),
    sayCall: sayInCommandLine,
  };
  const output = await invoke(operation, context, input);
  if (json) process.stdout.write(`${JSON.stringify(toWire(operation.output, output), null, 2)}\n`);
  else if (invocation.partOnly) process.stdout.write(forReader(operation.cli?.part?.text(output) ?? ""));
  else show(operation, output);
  process.stderr.write((operation.cli?.warnings?.(output) ?? []).map(formatLine).join(""));
  return operation.cli?.exitCode?.(output) ?? 0;
}

function show({ cli }: Operation, output: Readonly<Record<string, unknown>>): void {
  const { text, raw, notes } = cli ?? {};
  if (raw) process.stdout.write(forReader(raw(output)));
  else if (text || !notes) process.stdout.write(escapeControls(text?.(output) ?? formatTable(output)));
  if (notes) process.stderr.write(notes(output).map(formatLine).join(""));
}

/**
 * Content as it is for a file or a program. On a terminal, control characters of a guest are
 * escaped.
 */
function forReader(text: string): string {
  return process.stdout.isTTY ? escapeControls(text, "\t") : text;
}

/** Commander prints errors and exits by itself unless told otherwise, on every subcommand. */
function takeOverErrors(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const child of command.commands) takeOverErrors(child);
}

function report(error: unknown, json: boolean, stop: Stop): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  // Without a command, the help on standard error is the best answer.
  if (error instanceof CommanderError && error.code === "commander.help") return errorCodes.invalid_argument.exitCode;
  const known = PyroError.from(usageError(error));
  // An effect that may have happened is reported even to a user who did not wait.
  const isOpen = known.code === "outcome_unknown";
  const failure =
    stop.exitCode === undefined || isOpen
      ? known
      : new PyroError("cancelled", "the operation was cancelled", { cause: error });
  if (json)
    process.stdout.write(`${JSON.stringify({ ok: false, error: failure.payload(sayInCommandLine) }, null, 2)}\n`);
  // After a signal or a closed output the reader knows the reason.
  else if (stop.exitCode === undefined || isOpen) process.stderr.write(formatError(failure));
  return failure.exitCode;
}

/**
 * What docker, env and other programs that run a command end with if they fail themselves. 126 and
 * 127 are the command's own
 */
const ownFailure = 125;

function runsCommand(argv: readonly string[]): boolean {
  const found = findOperation(argv, commands);
  return found !== undefined && takesCommand(found.operation);
}

/** A command that does not exist is explained by the one that the user probably means. */
function withUsualCommand(error: unknown, argv: readonly string[]): unknown {
  if (!(error instanceof CommanderError) || error.code !== "commander.unknownCommand") return error;
  const [, word = ""] = /'([^']*)'/.exec(error.message) ?? [];
  const command = usualCommand(argv.slice(0, argv.indexOf(word)), word, commands);
  if (command === undefined) return error;
  return new PyroError("invalid_argument", `unknown command '${word}'`, { hint: `Run \`${command}\`.` });
}

function usageError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  return new PyroError("invalid_argument", error.message.replace(/^error: /, "").replace(/\n+/g, " "), {
    hint: "Run it with --help.",
  });
}
