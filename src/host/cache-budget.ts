/** An item of a cache. */
export interface CacheItem {
  /** Disk space in `bytes` */
  readonly allocatedBytes: number;
  readonly lastUsedMs: number;
}

export interface CacheBudget<T extends CacheItem> {
  readonly budgetBytes: number;
  /** Kept, however old it is */
  isKept(item: T): boolean;
  remove(item: T): Promise<void>;
}

/** Removes the least recently used items until the rest fits, and returns them. */
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
