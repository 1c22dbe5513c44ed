import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const pyroPath = fileURLToPath(new URL("../../bin/pyro.js", import.meta.url));
const sdkClientPath = fileURLToPath(new URL("sdk-client.ts", import.meta.url));

/** Whatever a call does, it must have ended by then: longer is a hang. */
const callDeadlineMs = 150_000;

/** One call of an operation, as every client can make it. */
export interface Operation {
  /** In the library: `["file", "write"]` of `pyro.workspace` */
  readonly path: readonly string[];
  readonly input: Readonly<Record<string, unknown>>;
  /** On the command line, after `workspace` */
  readonly args: readonly string[];
}

export type Outcome =
  | { readonly kind: "done"; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  /** The client was killed */
  | { readonly kind: "killed" };

export interface Running {
  readonly outcome: Promise<Outcome>;
  /** Of the client's process */
  readonly pid: number | undefined;
  kill(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Calls by the command line, each a process of its own. */
export function callByCli(env: Environment, { args }: Pick<Operation, "args">): Running {
  const child = spawn(process.execPath, [pyroPath, "workspace", ...withJson(args)], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return {
    outcome: notHanging(args.join(" ").slice(0, 200), child, outcomeOf(child)),
    pid: child.pid,
    kill: () => child.kill("SIGKILL"),
  };
}

function withJson(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return end < 0 ? [...args, "--json"] : [...args.slice(0, end), "--json", ...args.slice(end)];
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  child.stdout?.on("data", (chunk: Buffer) => output.stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => output.stderr.push(chunk));
  const [exitCode, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (signal === "SIGKILL") return { kind: "killed" };
  const text = Buffer.concat(output.stdout).toString("utf8");
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const error = value["error"] as { code: string; message: string } | undefined;
    return value["ok"] === false && error ? { kind: "failed", ...error } : { kind: "done", value };
  } catch {
    const errors = Buffer.concat(output.stderr).toString("utf8");
    return { kind: "failed", code: "no-json", message: `exit ${exitCode ?? signal}: ${text}${errors}` };
  }
}

/** Calls by the library, in one process that makes many at once. */
export class SdkClient {
  readonly #env: Environment;
  #child: ChildProcess | undefined;
  #nextId = 1;

  constructor(env: Environment) {
    this.#env = env;
  }

  call({ path, input, args }: Operation): Running {
    const child = this.#started();
    const id = this.#nextId++;
    const outcome = new Promise<Outcome>((resolve) => {
      const onExit = () => resolve({ kind: "killed" });
      const onMessage = (answer: { id?: number; ok?: boolean; value?: unknown; code?: string; message?: string }) => {
        if (answer.id !== id) return;
        child.off("message", onMessage);
        child.off("exit", onExit);
        const { ok, value, code = "none", message = "" } = answer;
        if (!ok) return resolve({ kind: "failed", code, message });
        resolve({ kind: "done", value: inSnakeCase(value as Record<string, unknown>) });
      };
      child.on("message", onMessage);
      child.once("exit", onExit);
      child.send({ id, path: ["workspace", ...path], input }, () => {
        // It was killed: the exit says so.
      });
    });
    return {
      outcome: notHanging(args.join(" ").slice(0, 200), child, outcome),
      pid: child.pid,
      kill: () => child.kill("SIGKILL"),
    };
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  #started(): ChildProcess {
    if (this.#child?.connected && this.#child.exitCode === null && this.#child.signalCode === null) return this.#child;
    const child = fork(sdkClientPath, [], { env: { ...this.#env }, execArgv: ["--import", "tsx"] });
    child.setMaxListeners(200);
    child.on("error", () => {
      // Its end tells the callers that wait.
    });
    this.#child = child;
    return child;
  }
}

/** Names as the command line has them, so that both clients answer alike; only the outermost. */
function inSnakeCase(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      field,
    ]),
  );
}

async function notHanging(what: string, child: ChildProcess, work: Promise<Outcome>): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`this hangs: ${what}`));
    }, callDeadlineMs);
  });
  try {
    return await Promise.race([work, hang]);
  } finally {
    clearTimeout(timer);
  }
}
