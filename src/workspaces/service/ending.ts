import { messageOf } from "../../core/errors.ts";
import type { ExecEnding } from "../../guest/messages.ts";
import { exitStatus, nothingKnown } from "../../machines/exit-status.ts";
import type { Session } from "../control/session.ts";
import type { ServiceRecord } from "../record/service.ts";

export type StopReason = NonNullable<ServiceRecord["stopReason"]>;

export interface Ended {
  readonly session: Pick<Session, "hasDied" | "endReason">;
  /** Why its end was wanted; undefined: it ended by itself */
  readonly wantedEnd: StopReason | undefined;
  readonly isReady: boolean;
}

/** Why a service has ended. Without an ending the guest has not said how. */
export function stopReasonOf({ session, wantedEnd, isReady }: Ended, ending: ExecEnding | undefined): StopReason {
  if (session.hasDied) return "machine_died";
  if (wantedEnd !== undefined) return wantedEnd;
  if (session.endReason !== undefined) return "workspace_stopped";
  if (!ending) return "exited_before_ready";
  if (ending.oomKilled) return "out_of_memory";
  if (ending.error) return "exited_before_ready";
  return isReady ? "exited" : "exited_before_ready";
}

const failures: ReadonlySet<StopReason> = new Set([
  "exited_before_ready",
  "readiness_timeout",
  "out_of_memory",
  "machine_died",
]);

/** What the record says of the end, or of the failure to run it at all. */
export function endOf(
  stopReason: StopReason,
  ending: ExecEnding | undefined,
  failure?: unknown,
): Pick<ServiceRecord, "state" | "stopReason" | "exitCode" | "signal" | "startError" | "endedAt"> {
  const { exitCode, signal, startError: reported } = ending ? exitStatus(ending) : nothingKnown;
  const startError = stopReason === "exited_before_ready" && failure !== undefined ? messageOf(failure) : reported;
  const state = failures.has(stopReason) ? "failed" : stopReason === "exited" ? "exited" : "stopped";
  return { state, stopReason, exitCode, signal, startError, endedAt: new Date().toISOString() };
}
