import { setTimeout as sleep } from "node:timers/promises";
import { Deferred } from "../../core/async.ts";
import { endsWithin } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { hint, named, toRun } from "../../core/hint.ts";
import { encodeSignal } from "../../guest/exec.ts";
import { InputFrames } from "../../guest/input-frames.ts";
import { fileError } from "../../host/files.ts";
import { complain } from "../control/complain.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import type { VerbInput } from "../control/protocol.ts";
import type { Session } from "../control/session.ts";
import { requirePublishing } from "../port/policy.ts";
import type { PublishedPort } from "../record/port.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import type { ServiceRecord } from "../record/service.ts";
import { endOf, type StopReason, stopReasonOf } from "./ending.ts";
import { LogWriter, removeLog } from "./log.ts";
import { LogMatcher } from "./log-matcher.ts";
import { requireFreePort, untilReady } from "./readiness.ts";
import { unknownService } from "./rules.ts";
import type { SeenService, serviceVerbs } from "./verbs.ts";

type StartInput = VerbInput<typeof serviceVerbs.startService>;
/** With the variables that secrets give */
type ReadyInput = Omit<StartInput, "secretEnv">;
type Change = Partial<ServiceRecord>;

/** Services that a workspace may have */
const maxServices = 16;
/** A program that is missing, or fails at once, has ended in this time */
const firstLookMs = 50;
/** Grace of a service that was not ready in time */
const failedGraceMs = 2_000;
/** Grace of each service when its workspace stops */
const stopGraceMs = 10_000;
/** Pause before another try to put an end on file */
const recordAgainMs = 2_000;
/** A killed process ends at once, unless the guest is in trouble */
const killMs = 10_000;

/** A service that runs. */
interface Running {
  readonly session: Session;
  readonly generation: number;
  readonly signals: InputFrames;
  /** Kills it */
  readonly killer: AbortController;
  /** Settles when its end is on file */
  readonly ended: Deferred;
  /** Resolves when it has a process */
  readonly started: Deferred;
  /** Resolves when its start is on file, or cannot be put there */
  readonly recorded: Deferred;
  /** Why its end is wanted; undefined: it ends by itself */
  wantedEnd: StopReason | undefined;
  isReady: boolean;
  /** Why its end is not on file */
  recordFailure?: unknown;
}

/** The services of a workspace, as its supervisor runs them. */
export class Services {
  readonly #workspace: OwnedWorkspace;
  readonly #running = new Map<string, Running>();

  constructor(workspace: OwnedWorkspace) {
    this.#workspace = workspace;
    workspace.beforeStop(() => this.#stopAll());
  }

  /** Starts a service and waits until it is ready, has ended, or has taken too long. */
  async start({ secretEnv, ...given }: StartInput): Promise<SeenService> {
    const { serviceName, readiness } = given;
    const { secrets } = this.#workspace;
    secrets.requireNone("name of a service", [serviceName]);
    const input = { ...given, env: { ...given.env, ...(await secrets.variables(secretEnv, given.env)) } };
    const matcher = new LogMatcher(readiness?.type === "log" ? readiness.pattern : undefined);
    const session = await this.#workspace.session();
    const known = this.#known(serviceName);
    this.#requireRoom(serviceName, known);
    const generation = (known?.generation ?? 0) + 1;
    const running: Running = {
      session,
      generation,
      signals: new InputFrames(),
      killer: new AbortController(),
      ended: new Deferred(),
      started: new Deferred(),
      recorded: new Deferred(),
      wantedEnd: undefined,
      isReady: readiness === null,
    };
    this.#running.set(serviceName, running);
    this.#workspace.egress.takeUseOf(labelOf(serviceName));
    session.running.set(labelOf(serviceName), running.ended.promise);
    let ports: readonly PublishedPort[] = [];
    try {
      await requireFreePort(readiness, session.machine);
      ports = await this.#publish(input);
    } catch (error) {
      await this.#workspace.ports.closeThoseOf(serviceName);
      this.#forget(serviceName, running);
      throw error;
    }
    // At the same time: only an answer says that it runs, and if this process dies, so does the
    // service.
    const recording = this.#recordStart(input, { session, generation, ports });
    const settled = () => running.recorded.resolve();
    recording.then(settled, settled);
    this.#toItsEnd(input, running, matcher)
      .catch((error: unknown) => complain(`cannot follow service '${serviceName}' to its end`, error))
      .finally(() => this.#forget(serviceName, running));
    const over = new AbortController();
    void running.ended.promise.then(() => over.abort());
    await recording.catch(async (error: unknown) => {
      running.wantedEnd ??= "stopped";
      await this.#end(running, 0);
      throw error;
    });
    await this.#untilUsable(input, running, { matcher, over: over.signal });
    return this.#seen(serviceName, gone);
  }

  /** Waits until it can be used or has ended. What is not ready in time is ended. */
  async #untilUsable(
    { serviceName, readiness, readyTimeoutMs, readyIntervalMs, cwd, env }: ReadyInput,
    running: Running,
    { matcher, over }: { readonly matcher: LogMatcher; readonly over: AbortSignal },
  ): Promise<void> {
    if (!readiness) {
      await Promise.race([running.started.promise, running.ended.promise]);
      await sleep(firstLookMs, undefined, { signal: over }).catch(() => {});
      return;
    }
    const subject = { machine: running.session.machine, cwd, env: this.#variables(env), log: matcher };
    const limits = { timeoutMs: readyTimeoutMs, intervalMs: readyIntervalMs, signal: over };
    const { isReady, ...probing } = await untilReady(readiness, subject, limits);
    matcher.stop();
    running.isReady = isReady && !over.aborted;
    const readyAt = running.isReady ? new Date().toISOString() : null;
    await this.#change(serviceName, running, { readyAt, probing: this.#workspace.secrets.redacted(probing) }).catch(
      async (error: unknown) => {
        // What its caller is told has failed must not go on.
        running.wantedEnd ??= "stopped";
        await this.#end(running, failedGraceMs);
        throw error;
      },
    );
    if (isReady || over.aborted) return;
    running.wantedEnd ??= "readiness_timeout";
    await this.#end(running, failedGraceMs);
  }

  /** A service with what it does at this moment. */
  async #seen(serviceName: string, missing: (serviceName: string) => PyroError): Promise<SeenService> {
    const running = this.#running.get(serviceName);
    const asked = running?.session.machine.agent.commandState(labelOf(serviceName));
    const { secrets } = this.#workspace;
    const live = secrets.redacted((await asked?.catch(() => null)) ?? null);
    const service = this.#known(serviceName);
    if (!service) throw missing(serviceName);
    return { service, live, network: secrets.redactedUse(this.#workspace.egress.useOf(labelOf(serviceName))) };
  }

  /** Runs the service to the end of its last process, and records that. */
  async #toItsEnd(
    { serviceName, argv, shell, cwd, env }: ReadyInput,
    running: Running,
    matcher: LogMatcher,
  ): Promise<void> {
    const { session, killer, signals } = running;
    const log = new LogWriter(session.historyDir, serviceName, running.generation);
    const keep = async (stream: "stdout" | "stderr", bytes: Buffer) => {
      if (bytes.length === 0) return;
      matcher.hear(stream, bytes);
      await log.add(stream, bytes);
    };
    const { secrets } = this.#workspace;
    const redactors = { stdout: secrets.stream(), stderr: secrets.stream() };
    const spec = {
      ...(argv ? { argv } : { shell: shell ?? "" }),
      cwd,
      env: this.#variables(env),
      timeoutMs: 0,
      stdin: false,
      label: labelOf(serviceName),
      wholeGroup: true,
    };
    let failure: unknown;
    const ending = await session.machine
      .exec(spec, {
        input: signals,
        onStarted: () => running.started.resolve(),
        onStdout: (chunk) => keep("stdout", redactors.stdout.push(chunk)),
        onStderr: (chunk) => keep("stderr", redactors.stderr.push(chunk)),
        onMainExit: () => {
          void this.#change(serviceName, running, { parentExitedAt: new Date().toISOString() }).catch(() => {});
        },
        signal: killer.signal,
      })
      .catch((error: unknown) => {
        failure = error;
        return undefined;
      });
    signals.end();
    await Promise.all([keep("stdout", redactors.stdout.end()), keep("stderr", redactors.stderr.end())]);
    await log.close().catch((error: unknown) => complain(`cannot complete the log of service '${serviceName}'`, error));
    await this.#workspace.ports.closeThoseOf(serviceName);
    const { startError, ...ended } = endOf(stopReasonOf(running, ending), ending, failure);
    const end = { ...ended, startError: secrets.redacted(startError) };
    await this.#change(serviceName, running, { ...end, publishedPorts: [] }).catch((error: unknown) => {
      running.recordFailure = error;
      complain(`cannot record the end of service '${serviceName}'`, error);
      void this.#recordLater(serviceName, running, { ...end, publishedPorts: [] });
    });
    await session.journal
      .append({ event: "service", service: { kind: "service_stop", serviceName, generation: running.generation } })
      .catch(() => {
        // The journal of a workspace that ends is closed.
      });
  }

  /** Until the end is on file, the record says that the service runs. */
  async #recordLater(serviceName: string, running: Running, end: Change): Promise<void> {
    while (!this.#workspace.isOver && running.session.endReason === undefined) {
      await sleep(recordAgainMs, undefined, { ref: false });
      const isRecorded = await this.#change(serviceName, running, end).then(
        () => true,
        () => false,
      );
      if (isRecorded) return;
    }
  }

  /** Ends a service. Answers when that is on file; one that does not run stays as it is. */
  async stop({ serviceName, graceMs }: { serviceName: string; graceMs: number }): Promise<SeenService> {
    if (!this.#known(serviceName)) throw unknownService(serviceName);
    const running = this.#running.get(serviceName);
    if (running) {
      running.wantedEnd ??= "stopped";
      await this.#end(running, graceMs);
      if (running.recordFailure !== undefined) {
        throw fileError(`service '${serviceName}' has ended, which cannot be recorded yet`, running.recordFailure);
      }
    }
    return this.#seen(serviceName, gone);
  }

  state(serviceName: string): Promise<SeenService> {
    return this.#seen(serviceName, unknownService);
  }

  async #stopAll(): Promise<void> {
    const all = [...this.#running.values()];
    await Promise.all(
      all.map((running) => {
        running.wantedEnd ??= "workspace_stopped";
        return this.#end(running, stopGraceMs);
      }),
    );
  }

  /** Lets a service end by itself for a while, then kills it. */
  async #end(running: Running, graceMs: number): Promise<void> {
    const { signals, killer } = running;
    const ended = running.ended.promise;
    signals.send(encodeSignal("TERM"));
    if (await endsWithin(ended, graceMs)) return;
    signals.send(encodeSignal("KILL"));
    if (await endsWithin(ended, killMs)) return;
    // Its guest is in trouble, and is asked in another way.
    killer.abort();
    await endsWithin(ended, killMs);
  }

  #known(serviceName: string): ServiceRecord | undefined {
    return this.#workspace.record.services.find((service) => service.serviceName === serviceName);
  }

  #requireRoom(serviceName: string, known: ServiceRecord | undefined): void {
    const { workspaceId, services } = this.#workspace.record;
    if (this.#running.has(serviceName)) {
      throw new PyroError("failed_precondition", `cannot start service '${serviceName}': it is running`, {
        hint: hint`${toRun("workspace.service.stop", { workspaceId, serviceName })} first.`,
      });
    }
    if (known || services.length + this.#unrecorded() < maxServices) return;
    throw new PyroError(
      "resource_exhausted",
      `cannot start service '${serviceName}': there are ${maxServices} services, which is the limit`,
      { hint: hint`Use a name that ${named("workspace.service.list", { workspaceId })} has.` },
    );
  }

  /** Services whose start is not on file yet */
  #unrecorded(): number {
    return [...this.#running.keys()].filter((name) => !this.#known(name)).length;
  }

  /** No port may be published while the policy for that changes. */
  async #publish({ serviceName, publish }: ReadyInput): Promise<readonly PublishedPort[]> {
    if (publish.length === 0) return [];
    return this.#workspace.exclusively(async () => {
      requirePublishing(this.#workspace.record);
      const done: PublishedPort[] = [];
      for (const { guestPort, hostPort } of publish) {
        done.push(await this.#workspace.ports.publish(guestPort, hostPort, serviceName));
      }
      return done;
    });
  }

  #variables(env: Readonly<Record<string, string>>): Record<string, string> {
    return { ...this.#workspace.variables, ...env };
  }

  /** Records the start. A service that cannot be recorded is ended. */
  async #recordStart(
    { serviceName, argv, shell, cwd, readiness }: ReadyInput,
    { session, generation, ports }: { session: Session; generation: number; ports: readonly PublishedPort[] },
  ): Promise<void> {
    const at = new Date().toISOString();
    const { secrets } = this.#workspace;
    const service: ServiceRecord = {
      serviceName,
      generation,
      ...secrets.redacted({ command: argv ?? [shell ?? ""], cwd }),
      state: "running",
      stopReason: null,
      readiness: readiness && Object.assign(secrets.redacted({ ...readiness }), { type: readiness.type }),
      probing: null,
      startedAt: at,
      readyAt: null,
      endedAt: null,
      exitCode: null,
      signal: null,
      startError: null,
      parentExitedAt: null,
      publishedPorts: [...ports],
    };
    await session.journal.append({ event: "service", service: { kind: "service_start", serviceName, generation } });
    await this.#workspace.update((record) => {
      if (this.#isOtherHistory(record, session)) throw gone(serviceName);
      const { services } = record;
      const isKnown = services.some((each) => each.serviceName === serviceName);
      return {
        services: isKnown
          ? services.map((each) => (each.serviceName === serviceName ? service : each))
          : [...services, service],
        lastActivityAt: at,
      };
    });
    // Of the last run there may be something to look up.
    if (generation > 2) await removeLog(session.historyDir, serviceName, generation - 2).catch(() => {});
  }

  /** Changes the record of one run. After a reset there is none, and then nothing happens. */
  async #change(serviceName: string, { generation, session, recorded }: Running, change: Change): Promise<void> {
    await recorded.promise;
    await this.#workspace.update((record) => {
      const isOurs = (each: ServiceRecord) => each.serviceName === serviceName && each.generation === generation;
      if (this.#isOtherHistory(record, session)) return {};
      return { services: record.services.map((each) => (isOurs(each) ? { ...each, ...change } : each)) };
    });
  }

  #isOtherHistory({ resetCount }: Pick<WorkspaceRecord, "resetCount">, { historyDir }: Session): boolean {
    return historyDir !== this.#workspace.place.historyDir(resetCount);
  }

  #forget(serviceName: string, running: Running): void {
    if (this.#running.get(serviceName) === running) this.#running.delete(serviceName);
    running.session.running.delete(labelOf(serviceName));
    running.ended.resolve();
  }
}

/** Name of a service in the ledger of the network, and for the agent */
function labelOf(serviceName: string): string {
  return `service ${serviceName}`;
}

function gone(serviceName: string): PyroError {
  return new PyroError("unavailable", `service '${serviceName}' has ended with a reset of its workspace`);
}
