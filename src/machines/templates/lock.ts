import { type LockRequest, withLock } from "../../host/lock/lock.ts";
import type { EngineContext } from "../context.ts";

type TemplateLockRequest = Omit<LockRequest, "dir" | "name"> & { readonly key: string };

/** Runs work under the lock of a template, which its builder and its sweeper hold. */
export function withTemplateLock<T>(
  { layout }: Pick<EngineContext, "layout">,
  { key, ...request }: TemplateLockRequest,
  work: () => Promise<T>,
): Promise<T> {
  return withLock({ ...request, dir: layout.locksDir, name: `template-${key}` }, work);
}
