import { type ChildProcess, spawn } from "node:child_process";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { capture } from "../../../src/host/process.ts";

/** Who an ordinary user is when the tests are run by root */
const nobodyId = 65534;
const isRoot = process.getuid?.() === 0;

export const ordinaryUid = isRoot ? nobodyId : (process.getuid?.() ?? nobodyId);

/** An empty folder that is gone after the test, and that an ordinary user owns. */
export async function emptyFolder(name = "pyro trees-"): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), name));
  onTestFinished(async () => {
    await shell(`chmod -R u+rwx "$1"`, path).catch(() => {});
    await rm(path, { recursive: true, force: true });
  });
  if (isRoot) await chown(path, nobodyId, nobodyId);
  return path;
}

/** Runs a script of the shell; fails when it does. */
export async function shell(script: string, ...parameters: readonly string[]): Promise<string> {
  const path = `PATH=${process.env["PATH"]}:/usr/sbin:/sbin`;
  const run = ["env", path, "sh", "-euc", script, "sh", ...parameters] as const;
  return succeed(run);
}

/** The same as an ordinary user, also if root runs the tests. */
export function shellAsOrdinaryUser(script: string, ...parameters: readonly string[]): Promise<string> {
  return succeed([...become(), "sh", "-euc", script, "sh", ...parameters]);
}

/**
 * Runs TypeScript as an ordinary user, with the variables as constants; what it returns comes back
 * by way of JSON.
 */
export async function evaluateAsOrdinaryUser(body: string, variables: Readonly<Record<string, unknown>>) {
  return evaluate(become(), body, variables);
}

/** Runs TypeScript as root of a user namespace, after a script of the shell that can mount. */
export async function evaluateInNamespace(
  script: string,
  dir: string,
  body: string,
  variables: Readonly<Record<string, unknown>>,
) {
  const isolate = [
    "unshare",
    "--map-root-user",
    "--mount",
    "--",
    "sh",
    "-euc",
    `${script}; shift; exec "$@"`,
    "sh",
    dir,
  ];
  return evaluate([...become(), ...isolate], body, variables);
}

async function evaluate(prefix: readonly string[], body: string, variables: Readonly<Record<string, unknown>>) {
  const said = await succeed([...prefix, ...typeScriptCommand(body, variables)]);
  return JSON.parse(said.trim().split("\n").at(-1) ?? "");
}

/** A process of an ordinary user that runs TypeScript; the caller kills it. */
export function startAsOrdinaryUser(body: string, variables: Readonly<Record<string, unknown>>): ChildProcess {
  const [program = "", ...rest] = [...become(), ...typeScriptCommand(body, variables)];
  return spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"], detached: true });
}

function typeScriptCommand(body: string, variables: Readonly<Record<string, unknown>>): string[] {
  const constants = Object.entries(variables).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
  const script = `${constants.join("\n")}\nconst run = async () => {${body}};
    run().catch((error) => ({ error: error.toJSON?.() ?? String(error) })).then((it) => console.log(JSON.stringify(it)));`;
  return [process.execPath, "--import", "tsx", "--eval", script, "--input-type=module"];
}

function become(): string[] {
  const drop = ["setpriv", `--reuid=${nobodyId}`, `--regid=${nobodyId}`, "--clear-groups", "--"];
  return ["env", "HOME=/nonexistent", `TMPDIR=${tmpdir()}`, ...(isRoot ? drop : [])];
}

async function succeed(command: readonly string[]): Promise<string> {
  const [program = "", ...rest] = command;
  const { exitCode, stdout, stderr } = await capture([program, ...rest], { timeoutMs: 60_000 });
  if (exitCode === 0) return stdout;
  throw new Error(`exit code ${exitCode}: ${stderr}${stdout}`);
}
