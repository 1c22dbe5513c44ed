import { describe } from "vitest";
import { findNamespaceObstacle } from "./driver.ts";

/** `describe` for tests with the agent in namespaces. */
export const describeWithNamespaces = describe.skipIf(findNamespaceObstacle() !== null);
