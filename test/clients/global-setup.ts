import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import prepareEnvironment from "../e2e/global-setup.ts";

/** What `scripts/install-clients.sh` installs: folders, and the browser's program. */
export type ClientPaths = Readonly<Record<"clients" | "inspector" | "conformance" | "browser", string>>;

declare module "vitest" {
  interface ProvidedContext {
    clientPaths: ClientPaths;
    /** Which of them are installed, or must be by the time their tests begin */
    isExpected: Readonly<Record<keyof ClientPaths, boolean>>;
  }
}

const installer = fileURLToPath(new URL("../../scripts/install-clients.sh", import.meta.url));

/** As for other tests with virtual machines. Required clients may still be on their way. */
export default function setup(project: TestProject): () => void {
  const tearDown = prepareEnvironment(project);
  const lines = execFileSync(installer, ["--print-paths"], { encoding: "utf8" }).trimEnd().split("\n");
  const paths = Object.fromEntries(lines.map((line) => line.split("\t"))) as ClientPaths;
  const isRequired = process.env["PYRO_REQUIRE_CLIENTS"] === "1";
  const isExpected = (name: keyof ClientPaths) => {
    if (isRequired || existsSync(paths[name])) return true;
    console.warn(`Tests are skipped: ${paths[name]} is missing; run \`make test-clients\``);
    return false;
  };
  project.provide("clientPaths", paths);
  project.provide("isExpected", {
    clients: isExpected("clients"),
    inspector: isExpected("inspector"),
    conformance: isExpected("conformance"),
    browser: isExpected("browser"),
  });
  return tearDown;
}
