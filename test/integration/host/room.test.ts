import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { requireFreeBytes } from "../../../src/host/disk-space.ts";

test("a disk without enough room is refused with both figures, before anything is written to it", async () => {
  const dir = join(tmpdir(), "not", "there", "yet");
  await expect(requireFreeBytes("cannot dig", dir, 2 ** 60)).rejects.toMatchObject({
    code: "resource_exhausted",
    message: expect.stringMatching(
      /^cannot dig: needs 1099511627776 MiB free under '.*\/not\/there\/yet', has \d+ MiB$/,
    ),
    hint: expect.stringContaining("pyro.env.prune()"),
  });
  await expect(requireFreeBytes("cannot dig", dir, 1)).resolves.toBeUndefined();
});
