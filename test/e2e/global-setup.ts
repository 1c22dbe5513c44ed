import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Why no virtual machine can run here; null when one can */
    vmUnavailable: string | null;
    /** A folder for the templates of all tests that do not mind whose they use */
    sharedTemplatesDir: string;
  }
}

const packageDir = fileURLToPath(new URL("../..", import.meta.url));

/** Tests use what users use: the built executable and an installed environment. */
export default function setup(project: TestProject): () => void {
  run("npm", ["run", "--silent", "build"]);
  run("scripts/build-agent.sh");
  const vmUnavailable = findObstacle();
  if (vmUnavailable !== null && process.env["PYRO_REQUIRE_VM"] === "1") {
    throw new Error(`PYRO_REQUIRE_VM=1, but ${vmUnavailable}`);
  }
  if (vmUnavailable === null) run("bin/pyro.js", ["env", "pull", "debian:12"]);
  else console.warn(`Tests that need a virtual machine are skipped: ${vmUnavailable}`);
  project.provide("vmUnavailable", vmUnavailable);
  // Made by whoever uses it first.
  const sharedTemplatesDir = join(tmpdir(), `pyro-test-templates-${randomUUID()}`);
  project.provide("sharedTemplatesDir", sharedTemplatesDir);
  return () => rmSync(sharedTemplatesDir, { recursive: true, force: true });
}

function findObstacle(): string | null {
  const { error } = spawnSync("qemu-system-x86_64", ["--version"]);
  return error ? `qemu-system-x86_64 cannot be run (${error.message}); run \`make setup\`` : null;
}

function run(program: string, args: readonly string[] = []): void {
  const { status, signal, error } = spawnSync(program, args, { cwd: packageDir, stdio: "inherit" });
  if (status !== 0) throw error ?? new Error(`'${[program, ...args].join(" ")}' ended with ${signal ?? status}`);
}
