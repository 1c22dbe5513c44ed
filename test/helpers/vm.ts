import { describe, inject } from "vitest";

/** `describe` for tests that boot virtual machines: skipped where none can run, unless PYRO_REQUIRE_VM=1 forbids that. */
export const describeWithVm = describe.skipIf(inject("vmUnavailable") !== null);
