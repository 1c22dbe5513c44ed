import type { ServerContext } from "@modelcontextprotocol/server";
import type { OperationProgress } from "../operations/operation.ts";

/** Some clients wait as long as they get progress */
const intervalMs = 10_000;

export interface ProgressReport extends Disposable {
  onProgress(progress: OperationProgress): void;
}

/** Reports progress to a client that has asked for it: at every step, and regularly in between. */
export function reportProgress({ _meta, notify }: ServerContext["mcpReq"], name: string): ProgressReport {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return { onProgress: () => {}, [Symbol.dispose]: () => {} };
  const startedMs = performance.now();
  let doing = name;
  let last = 0;
  const tell = () => {
    const elapsedSeconds = Math.round((performance.now() - startedMs) / 1000);
    // The protocol wants it to grow with every message.
    last = Math.max(last + 1, elapsedSeconds);
    const params = { progressToken, progress: last, message: `${doing}, ${elapsedSeconds} s` };
    notify({ method: "notifications/progress", params }).catch(() => {
      // The client has gone.
    });
  };
  const timer = setInterval(tell, intervalMs);
  return {
    onProgress(progress) {
      const environment = "environment" in progress ? progress.environment : undefined;
      doing = [progress.phase, environment, progress.detail].filter(Boolean).join(" ");
      tell();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
