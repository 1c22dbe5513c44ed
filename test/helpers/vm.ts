import { describe, inject } from "vitest";
import type { WorkspaceUnderTest } from "../cases/workspace.ts";
import { Workbench } from "./workbench.ts";

/**
 * `describe` for tests that boot virtual machines: skipped where none can run, unless
 * PYRO_REQUIRE_VM=1 forbids that.
 */
export const describeWithVm = describe.skipIf(inject("vmUnavailable") !== null);

/** A workspace in a VM, for cases that run at every level. */
export async function workspaceInVm(): Promise<WorkspaceUnderTest> {
  const bench = await Workbench.create();
  const workspaceId = await bench.create();
  return { bench, workspaceId, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() };
}
