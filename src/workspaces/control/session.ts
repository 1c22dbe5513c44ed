import { mkdir } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { Deferred } from "../../core/async.ts";
import { endsWithin } from "../../core/deadline.ts";
import { systemErrorCode } from "../../core/errors.ts";
import { syncFolder } from "../../host/durable.ts";
import { installCertificates } from "../../machines/guest/certificates.ts";
import { attachEgress } from "../../machines/guest/network.ts";
import type { Machine } from "../../machines/machine.ts";
import type { HostCertificate } from "../../network/certificates/host.ts";
import type { Egress } from "../../network/egress.ts";
import { JournalWriter } from "../record/journal.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import type { WorkspacePlace } from "../record/store.ts";
import { putIntoGuest } from "../secret/guest-files.ts";
import type { HeldSecret } from "../secret/source.ts";

/** A command whose caller does not take its output may not get to its end */
const lastRecordsMs = 2_000;

/**
 * The time of a workspace between two resets: its machine, and the history of what is done in it.
 */
export interface Session {
  readonly machine: Machine;
  readonly journal: JournalWriter;
  readonly historyDir: string;
  /**
   * Commands whose end is not on file yet, by sequence, and services by name. Each promise settles
   * when it is.
   */
  readonly running: Map<number | string, Promise<void>>;
  /** Sequence of the last command */
  lastSequence: number;
  /** Why the machine has ended; undefined while it runs */
  endReason: string | undefined;
  /** Whether it ended by itself */
  hasDied: boolean;
  /** Resolves once the machine has ended and, if it did so by itself, that was put on file */
  readonly endOnFile: Deferred;
}

interface SessionParts {
  readonly machine: Machine;
  readonly egress: Egress;
  /** undefined: the guest is to trust none, and has never trusted any */
  readonly certificates: readonly Pick<HostCertificate, "pem">[] | undefined;
  /** Values that its guest has in files */
  readonly secrets: readonly HeldSecret[];
}

export async function beginSession(
  place: WorkspacePlace,
  record: Pick<WorkspaceRecord, "resetCount" | "commandCount">,
  { machine, egress, certificates, secrets }: SessionParts,
): Promise<Session> {
  const historyDir = place.historyDir(record.resetCount);
  // Without parents, because a workspace that another process has removed must not come back.
  await mkdir(historyDir, { mode: 0o700 }).catch((error: unknown) => {
    if (systemErrorCode(error) !== "EEXIST") throw error;
  });
  const journal = await JournalWriter.open(historyDir);
  await syncFolder(historyDir);
  const lastSequence = record.commandCount;
  const endOnFile = new Deferred();
  if (certificates !== undefined) await installCertificates(machine, certificates);
  await putIntoGuest(machine, secrets);
  // It ends with the machine.
  attachEgress(machine.agent, egress);
  return {
    machine,
    historyDir,
    journal,
    running: new Map(),
    lastSequence,
    endReason: undefined,
    hasDied: false,
    endOnFile,
  };
}

/**
 * Resolves at once if the machine runs. If it has ended, a caller that is told so must also find it
 * on file.
 */
export async function untilOnFile({ machine, endOnFile }: Session): Promise<void> {
  const hasEnded = await Promise.race([machine.vm.exited.then(() => true), setImmediate(false)]);
  if (hasEnded) await endOnFile.promise;
}

/**
 * Ends the machine, then waits for what is still to be written of its commands. Can be called
 * twice.
 */
export async function endSession(session: Session, reason: string): Promise<void> {
  session.endReason ??= reason;
  // The commands that this cuts off must not wait for the record, which may wait for them.
  session.endOnFile.resolve();
  await session.machine.close();
  await lastRecords(session);
  await session.journal[Symbol.asyncDispose]();
}

/**
 * Waits until the commands that ran when the machine ended have their end on file, at most for some
 * seconds.
 */
async function lastRecords({ running }: Session): Promise<void> {
  await endsWithin(Promise.all(running.values()), lastRecordsMs);
}
