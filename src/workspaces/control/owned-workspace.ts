import { Deferred, SerialQueue } from "../../core/async.ts";
import { endsWithin, throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { hint } from "../../core/hint.ts";
import type { EngineContext } from "../../machines/context.ts";
import { guestVariables } from "../../machines/guest/variables.ts";
import { lastWords, type Machine } from "../../machines/machine.ts";
import type { HostCertificate } from "../../network/certificates/host.ts";
import type { Egress } from "../../network/egress.ts";
import { PublishedPorts } from "../port/published-ports.ts";
import { inWords, nameCall, toCall } from "../record/kind.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { removeWorkspace, saveWorkspace, syncLayers, type WorkspacePlace } from "../record/store.ts";
import { putIntoGuest } from "../secret/guest-files.ts";
import { WorkspaceSecrets } from "../secret/secrets.ts";
import { complain } from "./complain.ts";
import { beginSession, endSession, type Session } from "./session.ts";

/** A guest that does not even answer in this time is not going to switch itself off */
const answerMs = 5_000;
/** A guest ends its processes and writes everything to its disks in this time, or is killed */
const powerOffMs = 20_000;

export interface OwnedWorkspaceStart {
  readonly context: EngineContext;
  readonly place: WorkspacePlace;
  readonly record: WorkspaceRecord;
  readonly machine: Machine;
  /** The way out of each machine that it has */
  readonly egress: Egress;
  /** Authorities that each machine of it trusts: the host's, and its broker's */
  readonly certificates: readonly Pick<HostCertificate, "pem">[] | undefined;
  /** Default: it has none */
  readonly secrets?: WorkspaceSecrets;
}

type Change = Partial<WorkspaceRecord>;

/** A new machine, and what the record says from then on. */
export interface NewMachine {
  readonly machine: Machine;
  readonly change: Change;
}

/**
 * The running workspace as its supervisor owns it. Only this process writes its record and its
 * journal.
 *
 * Three things keep concurrent calls apart. `#saves` writes the record once at a time. `#exclusive`
 * runs snapshots, resets and the end one after another. `#swap` is set while a reset replaces the
 * machine, and calls that need one wait for it.
 */
export class OwnedWorkspace {
  readonly context: EngineContext;
  readonly place: WorkspacePlace;
  readonly egress: Egress;
  readonly ports: PublishedPorts;
  readonly secrets: WorkspaceSecrets;
  readonly #certificates: readonly Pick<HostCertificate, "pem">[] | undefined;
  readonly #ended = new Deferred();
  readonly #lastWorks: (() => Promise<void>)[] = [];
  readonly #saves = new SerialQueue();
  readonly #exclusive = new SerialQueue();
  #record: WorkspaceRecord;
  #session: Session;
  #swap: Promise<void> | undefined;
  #isOver = false;

  private constructor(start: OwnedWorkspaceStart, session: Session, secrets: WorkspaceSecrets) {
    const { context, place, record, egress, certificates } = start;
    this.context = context;
    this.place = place;
    this.egress = egress;
    this.#certificates = certificates;
    this.ports = new PublishedPorts(async () => (await this.session()).machine.agent, context.uid);
    this.#record = record;
    this.#session = session;
    this.secrets = secrets;
    secrets.onChange(async (changedForGuest) => {
      await putIntoGuest((await this.session()).machine, changedForGuest);
      await this.update({ secrets: secrets.records });
    });
    this.#watch(session);
  }

  static async begin(start: OwnedWorkspaceStart): Promise<OwnedWorkspace> {
    const { place, record, secrets = new WorkspaceSecrets() } = start;
    const session = await beginSession(place, record, { ...start, secrets: secrets.forGuest });
    const workspace = new OwnedWorkspace(start, session, secrets);
    await workspace.ports.restore(start.record.publishedPorts);
    return workspace;
  }

  /** The record as it is on file, with what `note` has added */
  get record(): WorkspaceRecord {
    return this.#record;
  }

  /** Variables that each of its commands gets, unless the caller sets them */
  get variables(): Readonly<Record<string, string>> {
    return guestVariables(this.#record.network.mode, this.#certificates ?? []);
  }

  /** Whether nothing may be begun any more */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when there is nothing left to supervise */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** The session to work in; waits while the machine is swapped. */
  async session(): Promise<Session> {
    await this.#swapped();
    const { endReason } = this.#session;
    if (endReason === undefined) return this.#session;
    const { workspaceId } = this.place;
    throw new PyroError("failed_precondition", `${inWords(workspaceId)} is not running: ${endReason}`, {
      hint: hint`${toCall("start", workspaceId)}.`,
    });
  }

  /**
   * The record while the machine runs. Otherwise it waits for the end of the workspace, and fails:
   * only then can another supervisor start it.
   */
  async running(): Promise<WorkspaceRecord> {
    await this.#swapped();
    if (this.#session.endReason === undefined && !this.#isOver) return this.#record;
    await this.#ended.promise;
    throw tooLate(this.place);
  }

  /** Settles when a command's end is on file; undefined for one that does not run. */
  runningCommand(sequence: number): Promise<void> | undefined {
    return this.#session.running.get(sequence);
  }

  /**
   * Changes the record, depending on what it is at its turn. If the change cannot be put on file,
   * nothing has changed.
   */
  async update(change: Change | ((record: WorkspaceRecord) => Change)): Promise<WorkspaceRecord> {
    return this.#saves.run(async () => {
      const wanted = typeof change === "function" ? change(this.#record) : change;
      await saveWorkspace(this.place, { ...this.#record, ...wanted }).catch(async (error: unknown) => {
        // It may have got its name, and only that may not be durable.
        await saveWorkspace(this.place, this.#record, { isDurable: false }).catch(() => {});
        throw error;
      });
      // A note may have come meanwhile.
      this.#record = { ...this.#record, ...wanted };
      return this.#record;
    });
  }

  /** Changes what the journal knows as well, so that it needs no place on file. */
  note(change: Pick<Change, "commandCount" | "lastCommand" | "lastActivityAt">): void {
    this.#record = { ...this.#record, ...change };
  }

  /**
   * Runs what must not happen twice at once: snapshots, resets, the end. After the end it fails:
   * nothing happened.
   */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#exclusive.run(() => {
      if (this.#isOver) throw tooLate(this.place);
      return work();
    });
  }

  /** Replaces the machine. The old one stays until the new one is on file, even if a step fails. */
  async swapMachine(
    reason: string,
    make: (record: WorkspaceRecord) => Promise<NewMachine>,
    signal: AbortSignal,
  ): Promise<WorkspaceRecord> {
    const swap = this.#swapFor(reason, make, signal);
    this.#swap = swap;
    try {
      await swap;
      return this.#record;
    } finally {
      this.#swap = undefined;
    }
  }

  async #swapFor(
    reason: string,
    make: (record: WorkspaceRecord) => Promise<NewMachine>,
    signal: AbortSignal,
  ): Promise<void> {
    const old = this.#session;
    const { machine, change } = await make(this.#record);
    const next = await beginSession(
      this.place,
      { ...this.#record, ...change },
      {
        machine,
        egress: this.egress,
        certificates: this.#certificates,
        secrets: this.secrets.forGuest,
      },
    ).catch(async (error: unknown) => {
      await machine.close();
      throw error;
    });
    try {
      throwIfCancelled(signal);
      await this.update(change);
    } catch (error) {
      await endSession(next, "the reset failed");
      throw error;
    }
    // Nothing of the new machine serves what the old one did.
    await this.ports.closeAll();
    this.#session = next;
    this.#watch(next);
    await endSession(old, reason);
  }

  async #swapped(): Promise<void> {
    await this.#swap?.catch(() => {
      // Then the old machine stays, which the caller of the swap is told.
    });
  }

  /** Adds what is to be done before the machine is shut down. */
  beforeStop(work: () => Promise<void>): void {
    this.#lastWorks.push(work);
  }

  /** Shuts the machine down and keeps its disks. */
  async stop(reason: string): Promise<WorkspaceRecord> {
    const session = await this.session();
    // From here on nothing begins.
    session.endReason = reason;
    await Promise.all(this.#lastWorks.map((work) => work()));
    const { machine } = session;
    try {
      await machine.agent.powerOff(AbortSignal.timeout(answerMs)).catch(() => {
        // A guest that cannot switch itself off is killed. What it had acknowledged is on its
        // disks.
      });
      await endsWithin(machine.vm.exited, powerOffMs);
      await endSession(session, reason);
      return await this.update({ state: "stopped", stateReason: null, ...(await this.#syncRootDisk()) });
    } finally {
      this.#end();
    }
  }

  /** Makes the root disk of a machine that has ended durable. What the record says of that. */
  async #syncRootDisk(): Promise<Change> {
    try {
      await syncLayers(this.place, this.#record.rootLayers);
      return { rootUnsyncedIn: null };
    } catch (error) {
      // Then the next start knows that the root disk may not be whole.
      complain("cannot sync the root disk", error);
      return {};
    }
  }

  /** Ends the machine and all calls that wait for it at once, then removes everything. */
  async delete(reason: string): Promise<void> {
    await endSession(this.#session, reason);
    await this.exclusively(async () => {
      try {
        // A reset that was under way has made another machine.
        await endSession(this.#session, reason);
        await this.#saves.idle();
        await removeWorkspace(this.context.layout.workspacesDir, this.place);
      } finally {
        this.#end();
      }
    });
  }

  /** Ends the machine without a word about it on file. */
  async abandon(): Promise<void> {
    await endSession(this.#session, "it was given up");
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    void this.ports.closeAll();
    this.#ended.resolve();
  }

  /** The end of a machine that this process did not end is the workspace's failure. */
  #watch(session: Session): void {
    this.#failWith(session)
      .catch((error: unknown) => complain("cannot record the end of the machine", error))
      .finally(() => session.endOnFile.resolve());
  }

  async #failWith(session: Session): Promise<void> {
    const exit = await session.machine.vm.exited;
    // A swap that fails leaves this machine as the workspace's.
    await this.#swapped();
    if (session.endReason !== undefined || session !== this.#session) return;
    const { how, lines } = lastWords(exit);
    session.hasDied = true;
    const words = [how, lines.at(-1)?.trim()].filter(Boolean).join("; ");
    session.endReason = this.secrets.redacted(`its machine ended (${words})`);
    this.#isOver = true;
    try {
      await this.update({ state: "failed", stateReason: session.endReason });
      session.endOnFile.resolve();
      await endSession(session, session.endReason);
    } finally {
      this.#end();
    }
  }
}

function tooLate({ workspaceId }: WorkspacePlace): PyroError {
  return new PyroError("unavailable", `the operation did not happen: ${inWords(workspaceId)} has just ended`, {
    hint: hint`Look at it with ${nameCall("status", workspaceId)}.`,
  });
}
