import { type LockRequest, withLock } from "../../host/lock.ts";
import type { EngineContext } from "../context.ts";

type TemplateLockRequest = Omit<LockRequest, "dir" | "name"> & { readonly key: string };

/** Held by whoever builds a template or clears away an unfinished one. */
export function withTemplateLock<T>(
  { layout }: Pick<EngineContext, "layout">,
  { key, ...request }: TemplateLockRequest,
  work: () => Promise<T>,
): Promise<T> {
  return withLock({ ...request, dir: layout.locksDir, name: `template-${key}` }, work);
}
