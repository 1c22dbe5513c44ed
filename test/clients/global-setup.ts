import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import prepareEnvironment from "../e2e/global-setup.ts";

/** What `scripts/install-clients.sh` installs, each in a folder of its own. */
export type ClientDirs = Readonly<Record<"clients" | "inspector" | "conformance", string>>;

declare module "vitest" {
  interface ProvidedContext {
    clientDirs: ClientDirs;
    /** Which of them are installed, or must be by the time their tests begin */
    isExpected: Readonly<Record<keyof ClientDirs, boolean>>;
  }
}

const installer = fileURLToPath(new URL("../../scripts/install-clients.sh", import.meta.url));

/** As for other tests with virtual machines. Required clients may still be on their way. */
export default function setup(project: TestProject): () => void {
  const tearDown = prepareEnvironment(project);
  const lines = execFileSync(installer, ["--print-dirs"], { encoding: "utf8" }).trimEnd().split("\n");
  const dirs = Object.fromEntries(lines.map((line) => line.split("\t"))) as ClientDirs;
  const isRequired = process.env["PYRO_REQUIRE_CLIENTS"] === "1";
  const isExpected = (name: keyof ClientDirs) => {
    if (isRequired || existsSync(dirs[name])) return true;
    console.warn(`Tests are skipped: ${dirs[name]} is missing; run \`make test-clients\``);
    return false;
  };
  project.provide("clientDirs", dirs);
  project.provide("isExpected", {
    clients: isExpected("clients"),
    inspector: isExpected("inspector"),
    conformance: isExpected("conformance"),
  });
  return tearDown;
}
