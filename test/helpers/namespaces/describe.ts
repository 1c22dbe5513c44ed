import { describe } from "vitest";
import { findNamespaceObstacle } from "./driver.ts";

const obstacle = findNamespaceObstacle();
const isRequired = process.env["PYRO_REQUIRE_VM"] === "1";

/** `describe` for tests with the agent in namespaces: skipped if it cannot run here, unless PYRO_REQUIRE_VM=1. */
export const describeWithNamespaces = describe.skipIf(obstacle !== null && !isRequired);
