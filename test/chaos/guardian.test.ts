import { expect, test, vi } from "vitest";
import { identifyProcess, killGroupOf } from "../../src/host/process-identity.ts";

/**
 * A supervisor whose guardian was killed has process 1 for a parent; the group -1 is every process
 * that there is.
 */
test("the group of process 1 is never killed", async () => {
  const kill = vi.spyOn(process, "kill").mockImplementation(() => true);
  try {
    const init = await identifyProcess(1);
    if (!init) throw new Error("there is no process 1");
    await killGroupOf(init);
    expect(kill).not.toHaveBeenCalled();
  } finally {
    kill.mockRestore();
  }
});
