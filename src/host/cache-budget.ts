/** What a cache keeps, as far as it matters for what goes first. */
export interface CacheItem {
  /** What it takes of the disk */
  readonly allocatedBytes: number;
  readonly lastUsedMs: number;
}

export interface CacheBudget<T extends CacheItem> {
  readonly budgetBytes: number;
  /** Stays, whatever its age */
  isKept(item: T): boolean;
  remove(item: T): Promise<void>;
}

/** Removes the least recently used until the rest fits; tells what has gone. */
export async function removeLeastRecentlyUsed<T extends CacheItem>(
  items: readonly T[],
  { budgetBytes, isKept, remove }: CacheBudget<T>,
): Promise<readonly T[]> {
  let totalBytes = items.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
  const removed: T[] = [];
  for (const item of items.toSorted((a, b) => a.lastUsedMs - b.lastUsedMs)) {
    if (totalBytes <= budgetBytes) break;
    if (isKept(item)) continue;
    await remove(item);
    totalBytes -= item.allocatedBytes;
    removed.push(item);
  }
  return removed;
}
