import { expect, test } from "vitest";
import { requireRoomForMachine } from "../../../src/machines/room.ts";

test("a machine needs room for its disk layers to grow", async () => {
  await expect(requireRoomForMachine("/proc")).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "cannot start a machine: needs 256 MiB free under '/proc', has 0 MiB",
  });
});
