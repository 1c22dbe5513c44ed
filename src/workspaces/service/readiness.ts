import { type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { withDeadline } from "../../core/deadline.ts";
import { messageOf, PyroError } from "../../core/errors.ts";
import { framesOf } from "../../guest/frames.ts";
import type { ExecEnding } from "../../guest/messages.ts";
import { decodeTree } from "../../guest/tree/decode.ts";
import { wirePath } from "../../guest/tree/encode.ts";
import type { Machine } from "../../machines/machine.ts";
import { pathInWorkspace } from "../file/guest-path.ts";
import type { Probing, Readiness } from "../record/service.ts";
import { loopbackPort } from "./address.ts";
import type { LogMatcher } from "./log-matcher.ts";

/** Limit for one try */
const tryMs = 5_000;
/** The last try begins at the end of the wait */
const shortestTryMs = 200;
/** A try that is cut off earlier may say no more than that this computer is busy */
const tellingTryMs = 1_000;
/** Time for a server to end its side of a connection that was only a try */
const farewellMs = 1_000;
/** Answers that show a server at work: also one that wants something else of its client */
const isReadyStatus = (status: number) => (status >= 200 && status < 400) || (status >= 400 && status <= 403);

/** What a probe looks at. */
export interface ProbeSubject {
  readonly machine: Pick<Machine, "agent" | "exec">;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What its log says */
  readonly log: Pick<LogMatcher, "matched" | "unmatched">;
}

/** Why it is not ready; undefined if it is. */
type Probe = (signal: AbortSignal) => Promise<string | undefined>;

interface Limits {
  readonly timeoutMs: number;
  readonly intervalMs: number;
  /** Aborts when the service has ended */
  readonly signal: AbortSignal;
}

/**
 * Tries until a service is ready, has ended, or has taken too long. The interval runs from the end
 * of a try.
 */
export async function untilReady(
  readiness: Readiness,
  subject: ProbeSubject,
  { timeoutMs, intervalMs, signal }: Limits,
): Promise<Probing & { readonly isReady: boolean }> {
  const probe = probeOf(readiness, subject);
  const startedMs = performance.now();
  const leftMs = () => timeoutMs - (performance.now() - startedMs);
  let lastFailure: string | null = null;
  for (let tries = 1; ; tries++) {
    const limitMs = Math.min(tryMs, Math.max(shortestTryMs, leftMs()));
    const failure = await oneTry(probe, limitMs, signal);
    // A try that had no time says less than the one before.
    const isTelling = !signal.aborted && limitMs >= tellingTryMs;
    if (lastFailure === null || isTelling) lastFailure = failure ?? null;
    const probing = { elapsedMs: Math.round(performance.now() - startedMs), tries, lastFailure };
    if (failure === undefined) return { ...probing, lastFailure: null, isReady: true };
    if (signal.aborted || leftMs() <= 0) return { ...probing, isReady: false };
    await pause(Math.min(intervalMs, Math.max(0, leftMs())), subject.log.matched, signal);
  }
}

/** Ends with the limit, whatever the probe does. */
async function oneTry(probe: Probe, limitMs: number, signal: AbortSignal): Promise<string | undefined> {
  const ender = new AbortController();
  const waitingFor = "an answer";
  try {
    return await withDeadline(probe(ender.signal), { timeoutMs: limitMs, waitingFor, signal });
  } catch (error) {
    if (signal.aborted) return "it has ended";
    const isLate = PyroError.from(error).code === "timeout";
    return isLate ? `there was no answer in ${(limitMs / 1000).toFixed(1)} s` : messageOf(error);
  } finally {
    ender.abort();
  }
}

async function pause(limitMs: number, isOver: Promise<void>, signal: AbortSignal): Promise<void> {
  const ender = new AbortController();
  const end = () => ender.abort();
  signal.addEventListener("abort", end, { once: true });
  const slept = sleep(limitMs, undefined, { signal: ender.signal }).catch(() => {});
  await Promise.race([slept, isOver]);
  signal.removeEventListener("abort", end);
  end();
}

/** Refuses a port on which something else listens, which would be taken for the service. */
export async function requireFreePort(readiness: Readiness | null, { agent }: Pick<Machine, "agent">): Promise<void> {
  if (readiness?.type !== "tcp" && readiness?.type !== "http") return;
  const port = loopbackPort(readiness.type === "tcp" ? readiness.address : new URL(readiness.url));
  const probe: Probe = (signal) => tcpProbe({ agent }, port, signal);
  if ((await oneTry(probe, tryMs, new AbortController().signal)) !== undefined) return;
  throw new PyroError(
    "failed_precondition",
    `cannot wait for port ${port}: something in the guest listens on it already`,
    {
      hint: "End that first, or choose another port.",
    },
  );
}

function probeOf(readiness: Readiness, subject: ProbeSubject): Probe {
  const { machine } = subject;
  switch (readiness.type) {
    case "file":
      return (signal) => fileProbe(machine, readiness.path, signal);
    case "tcp":
      return (signal) => tcpProbe(machine, loopbackPort(readiness.address), signal);
    case "http":
      return (signal) => httpProbe(machine, new URL(readiness.url), signal);
    case "command":
      return (signal) => commandProbe(subject, readiness.command, signal);
    case "log":
      return async () => subject.log.unmatched;
  }
}

async function fileProbe({ agent }: Pick<Machine, "agent">, path: string, signal: AbortSignal) {
  const wanted = { paths: [wirePath(pathInWorkspace(path))], depth: 0, contentLimit: 0, digest: false, follow: true };
  for await (const { entry } of decodeTree(framesOf(agent.readTree(wanted, signal)))) {
    if (entry.type !== "missing") return undefined;
  }
  return `there is no '${path}'`;
}

function tcpProbe({ agent }: Pick<Machine, "agent">, port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const connection = agent.connectToPort(port);
    const giveUp = () => {
      connection.destroy();
      resolve(`port ${port} did not answer`);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    connection.once("connect", () => {
      signal.removeEventListener("abort", giveUp);
      // A server takes a reset for a fault of its client, and an end for a client that has gone.
      connection.resume().end();
      setTimeout(() => connection.destroy(), farewellMs).unref();
      resolve(undefined);
    });
    connection.once("error", (error) => resolve(refusalOf(error)));
  });
}

/** Why the guest gave no connection */
function refusalOf(error: unknown): string {
  const { message, details } = PyroError.from(error);
  const reason = details?.["reason"];
  return typeof reason === "string" ? reason : message;
}

function httpProbe({ agent }: Pick<Machine, "agent">, url: URL, signal: AbortSignal): Promise<string | undefined> {
  const isTls = url.protocol === "https:";
  const port = loopbackPort(url);
  return new Promise((resolve) => {
    const connection = agent.connectToPort(port);
    const asking = request({
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, accept: "*/*", connection: "close" },
      // It is about this guest's own server, whose certificate is mostly its own too.
      createConnection: () => (isTls ? connectTls({ socket: connection, rejectUnauthorized: false }) : connection),
      signal,
    });
    const end = (failure: string | undefined) => {
      connection.destroy();
      asking.destroy();
      resolve(failure);
    };
    const judge = ({ statusCode = 0 }: IncomingMessage) =>
      end(isReadyStatus(statusCode) ? undefined : `${url.pathname} answered ${statusCode}`);
    asking.once("response", judge);
    asking.once("upgrade", judge);
    asking.once("close", () => end(`${url.pathname} got no answer`));
    connection.once("error", (error) => end(refusalOf(error)));
    asking.once("error", (error) => end(signal.aborted ? `${url.href} did not answer` : messageOf(error)));
    asking.end();
  });
}

async function commandProbe({ machine, cwd, env }: ProbeSubject, shell: string, signal: AbortSignal) {
  let said = "";
  const keep = (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-1_000);
  };
  const ender = new AbortController();
  signal.addEventListener("abort", () => ender.abort(), { once: true });
  let main: ExecEnding | undefined;
  const spec = { shell, cwd, env: { ...env }, timeoutMs: tryMs, stdin: false, wholeGroup: true };
  const ending = await machine
    .exec(spec, {
      onStdout: keep,
      onStderr: keep,
      onMainExit(reported) {
        main = reported;
        // What it has left running ends with it.
        ender.abort();
      },
      signal: ender.signal,
    })
    .catch((error: unknown) => {
      if (PyroError.from(error).code !== "cancelled") throw error;
      return main;
    });
  if (ending?.exitCode === 0) return undefined;
  const line = said.trim().split("\n").at(-1);
  const how = typeof ending?.exitCode === "number" ? `ended with ${ending.exitCode}` : "did not end in time";
  return `'${shell}' ${how}${line ? `: ${line}` : ""}`;
}
