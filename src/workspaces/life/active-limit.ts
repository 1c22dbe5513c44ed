import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { withLock } from "../../host/lock/lock.ts";
import type { EngineContext } from "../../machines/context.ts";
import { currentRecord } from "../control/access.ts";
import { isActive } from "../record/record.ts";
import { listStored, type StoredWorkspace } from "../record/store.ts";

const lockTimeoutMs = 30_000;

/** Runs `claim`, which makes one more workspace count as running, unless the limit is reached. */
export async function claimActiveSlot<T>(context: EngineContext, action: string, claim: () => Promise<T>): Promise<T> {
  const { layout, maxActiveWorkspaces } = context;
  const lock = { dir: layout.locksDir, name: "active-workspaces", purpose: "counting workspaces" };
  return withLock({ ...lock, timeoutMs: lockTimeoutMs }, async () => {
    const stored = await listStored(layout.workspacesDir, "workspace", "vm");
    const claimed = stored.filter((workspace) => workspace.status === "ok" && isActive(workspace.record));
    if (claimed.length < maxActiveWorkspaces) return await claim();
    // Some may have lost their supervisor unnoticed.
    const active = await countActive(context, claimed);
    if (active < maxActiveWorkspaces) return await claim();
    const running = active === 1 ? "1 workspace is" : `${active} workspaces are`;
    throw new PyroError("resource_exhausted", `cannot ${action}: ${running} running, which is the limit`, {
      hint: hint`Stop or delete one (${named("workspace.list")}), or set PYRO_MAX_ACTIVE_WORKSPACES.`,
    });
  });
}

async function countActive(context: EngineContext, stored: readonly StoredWorkspace[]): Promise<number> {
  const records = await Promise.all(
    stored.map(({ place }) => currentRecord(context, place.workspaceId).catch(() => undefined)),
  );
  return records.filter((record) => record && isActive(record)).length;
}
