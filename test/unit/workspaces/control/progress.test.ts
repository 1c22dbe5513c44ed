import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { formatProgress } from "../../../../src/cli/render.ts";
import { type TreeProgress, withProgress } from "../../../../src/workspaces/control/progress.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Items that come in bursts, with seconds in between. */
async function* bursts(...sizes: readonly number[]): AsyncGenerator<number> {
  for (const size of sizes) {
    for (let item = 0; item < size; item++) yield item;
    await vi.advanceTimersByTimeAsync(1_000);
  }
}

async function told(items: AsyncIterable<unknown>, most = Number.POSITIVE_INFINITY): Promise<readonly TreeProgress[]> {
  const said: TreeProgress[] = [];
  let count = 0;
  for await (const _ of withProgress(items, "export", (progress) => said.push(progress))) {
    count += 1;
    if (count === most) break;
  }
  return said;
}

test("each second tells how many there have been, also one in which none came", async () => {
  expect(await told(bursts(2, 0, 1500))).toEqual([
    { phase: "export", detail: "2 entries so far" },
    { phase: "export", detail: "2 entries so far" },
    { phase: "export", detail: "1,502 entries so far" },
  ]);
});

test("what ends within a second tells nothing, and nothing is told after the end", async () => {
  expect(await told(bursts(3), 3)).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("the command line shows it as a line", () => {
  expect(formatProgress({ phase: "compare", detail: "12 changes so far" })).toBe("[compare] 12 changes so far\n");
});
