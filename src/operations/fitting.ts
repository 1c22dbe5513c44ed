/** As many of the first items as take at most about `maxChars` characters of JSON. */
export function fitting<T>(items: readonly T[], maxChars: number): T[] {
  let taken = 0;
  let room = maxChars;
  for (const item of items) {
    room -= JSON.stringify(item).length;
    if (room < 0) break;
    taken += 1;
  }
  return items.slice(0, taken);
}
