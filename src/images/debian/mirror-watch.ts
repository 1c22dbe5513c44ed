import { join } from "node:path";
import { namesIn } from "../../host/files.ts";

const answerTimeoutMs = 25_000;

export interface MirrorWatch {
  /** Aborts with the caller's signal, and if the mirror has not answered in time */
  readonly signal: AbortSignal;
  /** Starts the timer when apt asks the mirror for its indexes */
  start(): void;
  stop(): void;
  isMirrorSilent(): boolean;
}

/**
 * Gives up a mirror that accepts connections and stays silent. apt's timeouts are per file, address
 * and attempt, which added up to a minute with three indexes.
 */
export function watchMirror(rootDir: string, signal: AbortSignal | undefined): MirrorWatch {
  const silence = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const giveUpIfSilent = async () => {
    // Without a readable answer apt's own timeouts must do.
    const indexes = await namesIn(join(rootDir, "var/lib/apt/lists")).catch(() => undefined);
    if (indexes && !indexes.some((name) => name.endsWith("Release"))) silence.abort();
  };
  return {
    signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
    start: () => {
      timer ??= setTimeout(() => void giveUpIfSilent(), answerTimeoutMs);
    },
    stop: () => clearTimeout(timer),
    isMirrorSilent: () => silence.signal.aborted && !signal?.aborted,
  };
}
