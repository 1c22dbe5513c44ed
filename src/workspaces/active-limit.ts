import { PyroError } from "../core/errors.ts";
import { withLock } from "../host/lock.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { listWorkspaces } from "./store.ts";

const lockTimeoutMs = 30_000;

/** Runs `claim`, which makes one more workspace count as running, unless as many run already as may. */
export async function requireRoomForOneMore<T>(
  { layout, maxActiveWorkspaces }: SandboxContext,
  action: string,
  claim: () => Promise<T>,
): Promise<T> {
  const lock = { dir: layout.locksDir, name: "active-workspaces", purpose: "counting workspaces" };
  return withLock({ ...lock, timeoutMs: lockTimeoutMs }, async () => {
    const stored = await listWorkspaces(layout.workspacesDir);
    const active = stored.filter(({ status, ...rest }) => {
      if (status === "broken" || !("record" in rest)) return false;
      return rest.record.state === "started" || rest.record.state === "starting";
    });
    if (active.length < maxActiveWorkspaces) return await claim();
    throw new PyroError("resource_exhausted", `cannot ${action}: ${active.length} are running, the most that may`, {
      hint: "Stop or delete one (`pyro workspace list`), or set PYRO_MAX_ACTIVE_WORKSPACES.",
    });
  });
}
