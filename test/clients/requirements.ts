import { describe, inject } from "vitest";

const { clients, inspector, conformance } = inject("installed");
const hasVm = inject("vmUnavailable") === null;

/**
 * `describe` for tests that drive the clients: skipped where they, or virtual machines, are
 * missing, unless that is forbidden.
 */
export const describeWithClients = describe.skipIf(!clients || !hasVm);
export const describeWithInspector = describe.skipIf(!inspector || !hasVm);
export const describeWithConformance = describe.skipIf(!conformance);
