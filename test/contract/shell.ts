import { Readable } from "node:stream";
import type { AgentClient } from "../../src/guest/agent.ts";
import { encodeStdin } from "../../src/guest/exec.ts";
import type { ExecEnding, ExecSpec } from "../../src/guest/messages.ts";

const commandTimeoutMs = 60_000;

export interface CommandResult extends ExecEnding {
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions extends Partial<ExecSpec> {
  readonly input?: Buffer;
  readonly signal?: AbortSignal;
}

/** Runs a command to its end, with all of its output. */
export async function exec(agent: AgentClient, command: CommandOptions): Promise<CommandResult> {
  const { input, signal, ...spec } = command;
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  const ending = await agent.exec(
    { timeoutMs: commandTimeoutMs, stdin: input !== undefined, ...spec },
    {
      ...(input ? { input: encodeStdin(Readable.from([input])) } : {}),
      signal,
      onStdout: (chunk) => void stdout.push(chunk),
      onStderr: (chunk) => void stderr.push(chunk),
    },
  );
  return { ...ending, stdout: Buffer.concat(stdout).toString("latin1"), stderr: Buffer.concat(stderr).toString() };
}

/** Runs a script that must succeed; its output. */
export async function sh(agent: AgentClient, script: string): Promise<string> {
  const result = await exec(agent, { argv: ["/bin/sh", "-euc", script] });
  if (result.exitCode !== 0) throw new Error(`'${script}' ended with ${result.exitCode}: ${result.stderr}`);
  return result.stdout;
}

/** Whether a `sleep` of so many seconds runs, by which tests tell their processes. */
export async function isSleeping(agent: AgentClient, seconds: string): Promise<boolean> {
  return (await sh(agent, `grep -lsa '^sleep.${seconds}' /proc/[0-9]*/cmdline || true`)) !== "";
}
