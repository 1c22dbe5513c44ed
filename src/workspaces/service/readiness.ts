import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { messageOf, PyroError } from "../../core/errors.ts";
import { framesOf } from "../../guest/frames.ts";
import { decodeTree } from "../../guest/tree/decode.ts";
import { wirePath } from "../../guest/tree/encode.ts";
import type { Machine } from "../../machines/machine.ts";
import { pathInWorkspace } from "../file/guest-path.ts";
import type { Probing, Readiness } from "../record/service.ts";
import { loopbackPort } from "./address.ts";

/** Limit for one try */
const tryMs = 5_000;
/** Time for a server to end its side of a connection that was only a try */
const farewellMs = 1_000;
/** Answers that show a server at work: also one that wants something else of its client */
const isReadyStatus = (status: number) => (status >= 200 && status < 400) || (status >= 400 && status <= 403);

/** What a probe looks at. */
export interface ProbeSubject {
  readonly machine: Pick<Machine, "agent" | "exec">;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Why no line of its log has matched; undefined if one has */
  unmatched(): string | undefined;
}

/** Why it is not ready; undefined if it is. */
type Probe = (signal: AbortSignal) => Promise<string | undefined>;

/**
 * Tries until a service is ready, or the signal aborts. The interval runs from the end of a try.
 */
export async function untilReady(
  readiness: Readiness,
  subject: ProbeSubject,
  { timeoutMs, intervalMs, signal }: { timeoutMs: number; intervalMs: number; signal: AbortSignal },
): Promise<Probing & { readonly isReady: boolean }> {
  const probe = probeOf(readiness, subject);
  const startedMs = performance.now();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  let lastFailure: string | null = null;
  for (let tries = 1; ; tries++) {
    const tryLimit = AbortSignal.any([limit, AbortSignal.timeout(tryMs)]);
    const failure = await probe(tryLimit).catch((error: unknown) => messageOf(error));
    // What was cut off by the limit of all tries says nothing new.
    if (failure !== undefined && (!limit.aborted || lastFailure === null)) lastFailure = failure;
    const probing = { elapsedMs: Math.round(performance.now() - startedMs), tries, lastFailure };
    if (failure === undefined) return { ...probing, lastFailure: null, isReady: true };
    if (!limit.aborted) await sleep(intervalMs, undefined, { signal: limit }).catch(() => {});
    if (limit.aborted) return { ...probing, isReady: false };
  }
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
      return async () => subject.unmatched();
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
    signal.addEventListener(
      "abort",
      () => {
        connection.destroy();
        resolve(`port ${port} did not answer`);
      },
      { once: true },
    );
    connection.once("connect", () => {
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
    asking.once("response", ({ statusCode = 0 }) => {
      end(isReadyStatus(statusCode) ? undefined : `${url.pathname} answered ${statusCode}`);
    });
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
  const spec = { shell, cwd, env: { ...env }, timeoutMs: tryMs, stdin: false };
  const ending = await machine.exec(spec, { onStdout: keep, onStderr: keep, signal }).catch((error: unknown) => {
    const { code } = PyroError.from(error);
    if (code === "cancelled") return undefined;
    throw error;
  });
  if (ending?.exitCode === 0) return undefined;
  const line = said.trim().split("\n").at(-1);
  const how =
    ending?.exitCode === null || ending === undefined ? "did not end in time" : `ended with ${ending.exitCode}`;
  return `'${shell}' ${how}${line ? `: ${line}` : ""}`;
}
