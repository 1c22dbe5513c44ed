import { existsSync } from "node:fs";
import { beforeAll, describe, inject } from "vitest";
import { eventually } from "../helpers/processes.ts";
import type { ClientPaths } from "./global-setup.ts";

const hasVm = inject("vmUnavailable") === null;
const installMs = 600_000;

/**
 * `describe` for tests that drive the clients: skipped where they, or virtual machines, are
 * missing, unless that is forbidden.
 */
export const describeWithClients = describeWith("clients", hasVm);
export const describeWithInspector = describeWith("inspector", hasVm);
export const describeWithConformance = describeWith("conformance", true);
export const describeWithBrowser = describeWith("browser", hasVm);

function describeWith(name: keyof ClientPaths, canRun: boolean): (title: string, defineTests: () => void) => void {
  return (title, defineTests) => {
    describe.skipIf(!(inject("isExpected")[name] && canRun))(title, () => {
      beforeAll(() => requireInstalled(name), installMs + 10_000);
      defineTests();
    });
  };
}

/** CI installs the clients while other tests run, and makes a file when that ends, well or not. */
async function requireInstalled(name: keyof ClientPaths): Promise<void> {
  const settled = process.env["PYRO_CLIENTS_SETTLED"];
  if (settled !== undefined)
    await eventually(async () => existsSync(settled), installMs, "the installation of the clients ends");
  const path = inject("clientPaths")[name];
  if (!existsSync(path)) throw new Error(`${path} is missing; run \`make test-clients\``);
}
