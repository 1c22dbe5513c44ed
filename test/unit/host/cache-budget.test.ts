import { expect, test } from "vitest";
import { removeLeastRecentlyUsed } from "../../../src/host/cache-budget.ts";

const cache = [
  { name: "middle", lastUsedMs: 2, allocatedBytes: 20 },
  { name: "new", lastUsedMs: 3, allocatedBytes: 30 },
  { name: "old", lastUsedMs: 1, allocatedBytes: 10 },
];

async function prune(budgetBytes: number, kept?: string) {
  const gone: string[] = [];
  const removed = await removeLeastRecentlyUsed(cache, {
    budgetBytes,
    isKept: ({ name }) => name === kept,
    remove: async ({ name }) => {
      gone.push(name);
    },
  });
  expect(removed.map(({ name }) => name)).toEqual(gone);
  return gone;
}

test("what fits its budget stays", async () => {
  expect(await prune(60)).toEqual([]);
});

test("the least recently used go first, and no more of them than must", async () => {
  expect(await prune(59)).toEqual(["old"]);
  expect(await prune(49)).toEqual(["old", "middle"]);
  expect(await prune(0)).toEqual(["old", "middle", "new"]);
});

test("what is kept counts, but stays", async () => {
  expect(await prune(49, "old")).toEqual(["middle"]);
  expect(await prune(0, "old")).toEqual(["middle", "new"]);
});
