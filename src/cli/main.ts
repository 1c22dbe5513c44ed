import { type Command, CommanderError } from "commander";
import { composeSandboxContext } from "../compose.ts";
import { PyroError } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { toWire } from "../core/wire-case.ts";
import { invoke } from "../operations/operation.ts";
import { flagName } from "./flags.ts";
import { liveStreams } from "./live-streams.ts";
import { flush, stopOnSignals } from "./process-end.ts";
import { buildProgram, type Invocation } from "./program.ts";
import { formatError, formatProgress, formatTable } from "./render.ts";

/** Runs one command line and resolves with its exit code. */
export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  let exitCode = 0;
  const program = buildProgram({
    version,
    async onInvoke(invocation) {
      exitCode = await runInvocation(invocation, env);
    },
  });
  takeOverErrors(program);
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return report(usageError(error), argv.includes("--json"));
  }
}

async function runInvocation({ operation, input, json }: Invocation, env: Parameters<typeof main>[1]): Promise<number> {
  const stop = stopOnSignals();
  const context = {
    sandbox: composeSandboxContext(env),
    signal: stop.signal,
    onProgress: (progress: Parameters<typeof formatProgress>[0]) => process.stderr.write(formatProgress(progress)),
    liveStreams: json ? undefined : liveStreams(stop),
    nameField: (field: string) => (operation.cli.positionals?.includes(field) ? field : flagName(field)),
  };
  try {
    const output = await invoke(operation, context, input);
    if (json) process.stdout.write(`${JSON.stringify(toWire(operation.output, output), null, 2)}\n`);
    else if (!operation.cli.summarize) process.stdout.write(operation.cli.render?.(output) ?? formatTable(output));
    if (!json && operation.cli.summarize) process.stderr.write(`${operation.cli.summarize(output)}\n`);
    return operation.cli.exitCode?.(output) ?? 0;
  } catch (error) {
    const failure = stop.exitCode === undefined ? PyroError.from(error) : undefined;
    return failure ? report(failure, json) : (stop.exitCode ?? 1);
  } finally {
    stop.dispose();
    await flush();
  }
}

/** Commander prints and exits by itself unless told otherwise, on every subcommand. */
function takeOverErrors(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {} });
  for (const child of command.commands) takeOverErrors(child);
}

function usageError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  const message = error.message.replace(/^error: /, "").replace(/\n/g, " ");
  const hint =
    error.code === "commander.unknownOption" ? "Options of a guest command go after `--`." : "Run `pyro --help`.";
  return new PyroError("invalid_argument", message, { hint });
}

async function report(error: unknown, json: boolean): Promise<number> {
  const failure = PyroError.from(error);
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: failure }, null, 2)}\n`);
  else process.stderr.write(formatError(failure));
  await flush();
  return failure.exitCode;
}
