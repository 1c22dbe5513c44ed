import { mkdir } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { lastWords, type Sandbox } from "../sandbox/sandbox.ts";
import { JournalWriter } from "../workspaces/journal.ts";
import type { WorkspaceRecord } from "../workspaces/record.ts";
import { removeWorkspace, saveWorkspace, type WorkspacePlace } from "../workspaces/store.ts";

/** A guest that does not even answer in this time is not going to switch itself off */
const answerMs = 5_000;
/** A guest ends its processes and writes everything to its disks in this time, or is killed */
const powerOffMs = 20_000;

export interface SessionStart {
  readonly context: SandboxContext;
  readonly place: WorkspacePlace;
  readonly record: WorkspaceRecord;
  readonly machine: Sandbox;
}

/** A machine with the history of what is done in it; a reset begins both anew. */
export interface Tenure {
  readonly machine: Sandbox;
  readonly journal: JournalWriter;
  readonly historyDir: string;
  /** Why it ended, once it has */
  endReason: string | undefined;
}

/** The running workspace: its machine, and the record and journal that only this process writes. */
export class Session {
  readonly context: SandboxContext;
  readonly place: WorkspacePlace;
  /** Resolves when there is nothing left to supervise */
  readonly ended: Promise<void>;
  #record: WorkspaceRecord;
  #tenure: Tenure;
  #end: () => void = () => {};
  #exclusive: Promise<unknown> = Promise.resolve();
  /** Set while the machine is exchanged: whoever needs one waits for the next */
  #exchange: Promise<unknown> | undefined;
  #saved: Promise<void> = Promise.resolve();

  private constructor({ context, place, record }: SessionStart, tenure: Tenure) {
    this.context = context;
    this.place = place;
    this.#record = record;
    this.#tenure = tenure;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#watch(tenure);
  }

  static async begin(start: SessionStart): Promise<Session> {
    return new Session(start, await beginTenure(start.place, start.record, start.machine));
  }

  get record(): WorkspaceRecord {
    return this.#record;
  }

  /** The machine to work in; waits while it is exchanged. */
  async tenure(): Promise<Tenure> {
    await this.#exchange?.catch(() => {
      // Then the old one stays.
    });
    const { endReason } = this.#tenure;
    if (endReason === undefined) return this.#tenure;
    throw new PyroError("failed_precondition", `workspace '${this.place.workspaceId}' is not running: ${endReason}`, {
      hint: `Run \`pyro workspace start ${this.place.workspaceId}\`.`,
    });
  }

  /** Changes the record; resolves when that is on file. */
  async update(change: Partial<WorkspaceRecord>, options = { isDurable: true }): Promise<WorkspaceRecord> {
    this.#record = { ...this.#record, ...change };
    const save = () => saveWorkspace(this.place, this.#record, options);
    // In their order; one that failed has told its own caller.
    this.#saved = this.#saved.then(save, save);
    await this.#saved;
    return this.#record;
  }

  /** Runs what must not happen twice at once: snapshots, resets, the end. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#exclusive.then(work, work);
    this.#exclusive = turn.catch(() => {
      // told to the one who asked for it
    });
    return turn;
  }

  /**
   * Replaces the machine: `make` gives the new one and what the record says from then on. Until that is on file the old one stays, whatever
   * goes wrong.
   */
  async exchange(
    reason: string,
    make: (record: WorkspaceRecord) => Promise<{ machine: Sandbox; change: Partial<WorkspaceRecord> }>,
  ): Promise<WorkspaceRecord> {
    const old = this.#tenure;
    const exchange = (async () => {
      const { machine, change } = await make(this.#record);
      try {
        const next = await beginTenure(this.place, { ...this.#record, ...change }, machine);
        await this.update(change);
        this.#tenure = next;
      } catch (error) {
        await machine.close();
        throw error;
      }
      this.#watch(this.#tenure);
      await endTenure(old, reason);
    })();
    this.#exchange = exchange;
    try {
      await exchange;
      return this.#record;
    } finally {
      this.#exchange = undefined;
    }
  }

  /** Switches the machine off in good order; its disks stay. */
  async stop(reason: string): Promise<WorkspaceRecord> {
    const tenure = await this.tenure();
    tenure.endReason = reason;
    const { machine } = tenure;
    await machine.agent.powerOff(AbortSignal.timeout(answerMs)).catch(() => {
      // A guest that cannot switch itself off is switched off; what it had acknowledged is on its disks.
    });
    await Promise.race([machine.vm.exited, setTimeout(powerOffMs, undefined, { ref: false })]);
    await machine.close();
    const record = await this.update({ state: "stopped", stateReason: null });
    this.#end();
    return record;
  }

  async delete(reason: string): Promise<void> {
    await endTenure(this.#tenure, reason);
    await removeWorkspace(this.context.layout.workspacesDir, this.place);
    this.#end();
  }

  /** The machine's end, unless we brought it about, is the workspace's failure. */
  #watch(tenure: Tenure): void {
    void tenure.machine.vm.exited.then(async (exit) => {
      await this.#exchange?.catch(() => {
        // Then this is the machine that there is.
      });
      if (tenure.endReason !== undefined || tenure !== this.#tenure) return;
      const { how, lines } = lastWords(exit);
      tenure.endReason = `its machine ended (${[how, lines.at(-1)?.trim()].filter(Boolean).join("; ")})`;
      try {
        await this.update({ state: "failed", stateReason: tenure.endReason });
      } finally {
        this.#end();
      }
    });
  }
}

async function beginTenure(place: WorkspacePlace, record: WorkspaceRecord, machine: Sandbox): Promise<Tenure> {
  const historyDir = place.historyDir(record.resetCount);
  // Not with its parents: a workspace that was removed meanwhile must not come back.
  await mkdir(historyDir, { mode: 0o700 }).catch((error: unknown) => {
    if (systemErrorCode(error) !== "EEXIST") throw error;
  });
  return { machine, historyDir, journal: await JournalWriter.open(historyDir), endReason: undefined };
}

async function endTenure(tenure: Tenure, reason: string): Promise<void> {
  tenure.endReason ??= reason;
  await tenure.machine.close();
}
