import type { ServerContext } from "@modelcontextprotocol/server";
import type { OperationProgress } from "../operations/operation.ts";

/** Some clients wait as long as they hear of progress */
const intervalMs = 10_000;

export interface ProgressReport extends Disposable {
  onProgress(progress: OperationProgress): void;
}

/**
 * Tells a client that asked for it how its call comes along: at every step, and in between that it
 * goes on.
 */
export function reportProgress({ _meta, notify }: ServerContext["mcpReq"], name: string): ProgressReport {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return { onProgress: () => {}, [Symbol.dispose]: () => {} };
  const startedMs = performance.now();
  let doing = name;
  let last = 0;
  const tell = () => {
    const elapsedSeconds = Math.round((performance.now() - startedMs) / 1000);
    // It must grow with every message.
    last = Math.max(last + 1, elapsedSeconds);
    const params = { progressToken, progress: last, message: `${doing}, ${elapsedSeconds} s` };
    notify({ method: "notifications/progress", params }).catch(() => {
      // A client that has gone does not want to know.
    });
  };
  const timer = setInterval(tell, intervalMs);
  return {
    onProgress({ phase, environment, detail }) {
      doing = [phase, environment, detail].filter(Boolean).join(" ");
      tell();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
