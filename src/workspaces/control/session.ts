import { mkdir } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import type { EngineContext } from "../../machines/context.ts";
import { lastWords, type Machine } from "../../machines/machine.ts";
import { JournalWriter } from "../record/journal.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { removeWorkspace, saveWorkspace, type WorkspacePlace } from "../record/store.ts";
import { complain } from "./complain.ts";

/** A guest that does not even answer in this time is not going to switch itself off */
const answerMs = 5_000;
/** A guest ends its processes and writes everything to its disks in this time, or is killed */
const powerOffMs = 20_000;

/** A command whose caller does not take its output may not get to its end */
const lastRecordsMs = 2_000;

export interface SessionStart {
  readonly context: EngineContext;
  readonly place: WorkspacePlace;
  readonly record: WorkspaceRecord;
  readonly machine: Machine;
}

/** A machine with the history of what is done in it; a reset begins both anew. */
export interface Tenure {
  readonly machine: Machine;
  readonly journal: JournalWriter;
  readonly historyDir: string;
  /** Commands that still have an end to write down, by number; each settles when it is */
  readonly running: Map<number, Promise<void>>;
  /** Number of the last command */
  lastSequence: number;
  /** Why it ended, once it has */
  endReason: string | undefined;
}

type Change = Partial<WorkspaceRecord>;

/** The running workspace: its machine, and the record and journal that only this process writes. */
export class Session {
  readonly context: EngineContext;
  readonly place: WorkspacePlace;
  /** Resolves when there is nothing left to supervise */
  readonly ended: Promise<void>;
  #record: WorkspaceRecord;
  #tenure: Tenure;
  #resolveEnded: () => void = () => {};
  /** Nothing may be begun any more */
  #isOver = false;
  #exclusive: Promise<unknown> = Promise.resolve();
  /** Set while the machine is exchanged: whoever needs one waits for the next */
  #exchange: Promise<unknown> | undefined;
  #saved: Promise<unknown> = Promise.resolve();

  private constructor({ context, place, record }: SessionStart, tenure: Tenure) {
    this.context = context;
    this.place = place;
    this.#record = record;
    this.#tenure = tenure;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#watch(tenure);
  }

  static async begin(start: SessionStart): Promise<Session> {
    return new Session(start, await beginTenure(start.place, start.record, start.machine));
  }

  /** What is on file */
  get record(): WorkspaceRecord {
    return this.#record;
  }

  get isOver(): boolean {
    return this.#isOver;
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

  /** Settles when a command's end is on file; undefined for one that does not run. */
  runningCommand(sequence: number): Promise<void> | undefined {
    return this.#tenure.running.get(sequence);
  }

  /** Changes the record, by what it is when its turn comes; when that cannot be put on file nothing has changed. */
  async update(
    change: Change | ((record: WorkspaceRecord) => Change),
    options = { isDurable: true },
  ): Promise<WorkspaceRecord> {
    const save = async () => {
      const changed = { ...this.#record, ...(typeof change === "function" ? change(this.#record) : change) };
      await saveWorkspace(this.place, changed, options);
      this.#record = changed;
      return changed;
    };
    // One that failed has told its own caller.
    const turn = this.#saved.then(save, save);
    this.#saved = turn;
    return turn;
  }

  /** Runs what must not happen twice at once: snapshots, resets, the end. What comes too late has not happened. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#exclusive.then(() => {
      if (this.#isOver) throw tooLate(this.place);
      return work();
    });
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
    make: (record: WorkspaceRecord) => Promise<{ machine: Machine; change: Change }>,
    signal: AbortSignal,
  ): Promise<WorkspaceRecord> {
    const exchange = this.#exchangeFor(reason, make, signal);
    this.#exchange = exchange;
    try {
      await exchange;
      return this.#record;
    } finally {
      this.#exchange = undefined;
    }
  }

  async #exchangeFor(reason: string, make: Parameters<Session["exchange"]>[1], signal: AbortSignal): Promise<void> {
    const old = this.#tenure;
    const { machine, change } = await make(this.#record);
    try {
      throwIfCancelled(signal);
      const next = await beginTenure(this.place, { ...this.#record, ...change }, machine);
      await this.update(change);
      this.#tenure = next;
    } catch (error) {
      await machine.close();
      throw error;
    }
    this.#watch(this.#tenure);
    await endTenure(old, reason);
  }

  /** Switches the machine off in good order; its disks stay. */
  async stop(reason: string): Promise<WorkspaceRecord> {
    const tenure = await this.tenure();
    tenure.endReason = reason;
    const { machine } = tenure;
    try {
      await machine.agent.powerOff(AbortSignal.timeout(answerMs)).catch(() => {
        // A guest that cannot switch itself off is switched off; what it had acknowledged is on its disks.
      });
      await Promise.race([machine.vm.exited, setTimeout(powerOffMs, undefined, { ref: false })]);
      await machine.close();
      await lastRecords(tenure);
      return await this.update({ state: "stopped", stateReason: null });
    } finally {
      this.#end();
    }
  }

  /** Ends the machine at once, with whatever waits for it, then removes everything. */
  async delete(reason: string): Promise<void> {
    await endTenure(this.#tenure, reason);
    await this.exclusively(async () => {
      try {
        // A reset that was under way has made another one.
        await endTenure(this.#tenure, reason);
        await this.#saved.catch(() => {
          // Whoever wanted to save that has been told.
        });
        await removeWorkspace(this.context.layout.workspacesDir, this.place);
      } finally {
        this.#end();
      }
    });
  }

  /** Ends the machine without a word about it on file. */
  async abandon(): Promise<void> {
    await endTenure(this.#tenure, "it was given up");
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#resolveEnded();
  }

  /** The machine's end, unless we brought it about, is the workspace's failure. */
  #watch(tenure: Tenure): void {
    this.#failWith(tenure).catch((error: unknown) => complain("cannot record the end of the machine", error));
  }

  async #failWith(tenure: Tenure): Promise<void> {
    const exit = await tenure.machine.vm.exited;
    await this.#exchange?.catch(() => {
      // Then this is the machine that there is.
    });
    if (tenure.endReason !== undefined || tenure !== this.#tenure) return;
    const { how, lines } = lastWords(exit);
    tenure.endReason = `its machine ended (${[how, lines.at(-1)?.trim()].filter(Boolean).join("; ")})`;
    try {
      await this.update({ state: "failed", stateReason: tenure.endReason });
      await lastRecords(tenure);
    } finally {
      this.#end();
    }
  }
}

async function beginTenure(place: WorkspacePlace, record: WorkspaceRecord, machine: Machine): Promise<Tenure> {
  const historyDir = place.historyDir(record.resetCount);
  // Not with its parents: a workspace that was removed meanwhile must not come back.
  await mkdir(historyDir, { mode: 0o700 }).catch((error: unknown) => {
    if (systemErrorCode(error) !== "EEXIST") throw error;
  });
  const journal = await JournalWriter.open(historyDir);
  return { machine, historyDir, journal, running: new Map(), lastSequence: record.commandCount, endReason: undefined };
}

async function endTenure(tenure: Tenure, reason: string): Promise<void> {
  tenure.endReason ??= reason;
  await tenure.machine.close();
  await lastRecords(tenure);
  await tenure.journal[Symbol.asyncDispose]();
}

/** What ran when the machine ended has an end, which nobody but us writes down. */
async function lastRecords({ running }: Tenure): Promise<void> {
  await Promise.race([Promise.all(running.values()), setTimeout(lastRecordsMs, undefined, { ref: false })]);
}

function tooLate({ workspaceId }: WorkspacePlace): PyroError {
  return new PyroError("unavailable", `the operation did not happen: workspace '${workspaceId}' has just ended`, {
    hint: `Look at it with \`pyro workspace status ${workspaceId}\`.`,
  });
}
