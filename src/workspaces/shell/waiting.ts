import { setTimeout as sleep } from "node:timers/promises";
import type { TerminalState } from "../../guest/messages.ts";
import type { Shell } from "./shell.ts";
import type { Foreground, ReadEnd, Wait } from "./verbs.ts";

/** A program that has printed nothing for this long after it was typed at has nothing to say */
const silenceMs = 150;
/** What a program prints just before it waits comes this much later at most */
const lastOutputMs = 40;
/** An event loop that prints nothing for this long has nothing else to do */
const eventLoopMs = 300;
/** Pauses between two looks at a terminal, from the first to the last */
const [firstPauseMs, lastPauseMs] = [20, 250];

/** How a wait has ended, and the look at the terminal that told, if one did. */
interface Waited {
  readonly end: ReadEnd;
  readonly state?: TerminalState;
}

/** Waits until a shell is as its reader wants it, has ended, or the time is over. */
export async function untilWaited(shell: Shell, wait: Wait, signal: AbortSignal): Promise<Waited> {
  const endsAtMs = performance.now() + wait.timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(lastPauseMs, pauseMs * 1.5)) {
    signal.throwIfAborted();
    if (!shell.isRunning) return { end: "exited" };
    const isIdle = wait.for === "idle";
    const missingMs = isIdle ? idleMissing(shell, wait.idleMs) : pauseMs;
    if (isIdle && missingMs <= 0) return { end: "idle" };
    const found = isIdle ? undefined : await waitedFor(shell, signal);
    if (found) return found;
    const leftMs = endsAtMs - performance.now();
    if (leftMs <= 0) return { end: "timeout" };
    await untilPrinted(shell, Math.max(1, Math.min(missingMs, leftMs)), signal);
  }
}

/** Waits until something more is printed, or for some time. Leaves no timer behind. */
export async function untilPrinted(shell: Shell, limitMs: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  try {
    const limit = sleep(limitMs, undefined, { signal: AbortSignal.any([signal, over.signal]) });
    await Promise.race([shell.printed, limit]);
  } finally {
    over.abort();
  }
}

/** Time that is missing until nothing has been printed for `idleMs`; 0 or less: none. */
function idleMissing(shell: Shell, idleMs: number): number {
  const { ms, hasPrinted } = shell.sinceInput;
  return Math.max(idleMs - shell.quietMs, hasPrinted ? 0 : silenceMs - ms);
}

/** What the program at the keyboard waits for, if it does and all that it has printed is here. */
async function waitedFor(shell: Shell, signal: AbortSignal): Promise<Waited | undefined> {
  // Output comes in pieces, and each look costs the guest some time.
  if (shell.quietMs < lastOutputMs) await sleep(lastOutputMs - shell.quietMs, undefined, { signal });
  const state = await shell.look(signal);
  if (!state || shell.arrivedBytes < state.sentBytes) return undefined;
  const isSure = state.foreground?.reads !== "also";
  if (shell.quietMs < (isSure ? lastOutputMs : eventLoopMs)) return undefined;
  const end = waitEnds[shell.foregroundIn(state)?.state ?? "working"];
  return end && { end, state };
}

/** A program that waits for something else than a prompt will not get to one without it. */
const waitEnds: Partial<Record<Foreground["state"], ReadEnd>> = {
  prompt: "prompt",
  input: "input",
  password: "password",
};
