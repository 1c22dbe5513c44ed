import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import { buildOnce, runOrThrow } from "../helpers/build.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Why no virtual machine can run here; null if one can */
    vmUnavailable: string | null;
    /** A folder with a template, for all tests that may share it */
    sharedTemplatesDir: string;
  }
}

interface Prepared {
  readonly vmUnavailable: string | null;
  readonly templatesDir: string;
}

/** What all projects of a run share, kept globally because each evaluates this module anew. */
interface Shared {
  readonly prepared: Prepared;
  users: number;
}

const key = Symbol.for("pyro.test.shared");
const kept = globalThis as typeof globalThis & { [key]?: Shared };

/** Tests use what users use: the built executable, an installed environment and its template. */
export default function setup(project: TestProject): () => void {
  kept[key] ??= { prepared: prepare(), users: 0 };
  const shared = kept[key];
  shared.users += 1;
  const { vmUnavailable, templatesDir } = shared.prepared;
  project.provide("vmUnavailable", vmUnavailable);
  project.provide("sharedTemplatesDir", templatesDir);
  return () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    delete kept[key];
    rmSync(templatesDir, { recursive: true, force: true });
  };
}

function prepare(): Prepared {
  buildOnce();
  const vmUnavailable = findObstacle();
  if (vmUnavailable !== null && process.env["PYRO_REQUIRE_VM"] === "1") {
    throw new Error(`PYRO_REQUIRE_VM=1, but ${vmUnavailable}`);
  }
  const templatesDir = join(tmpdir(), `pyro-test-templates-${randomUUID()}`);
  mkdirSync(templatesDir, { mode: 0o700 });
  if (vmUnavailable === null) makeTemplate(templatesDir);
  else console.warn(`Tests that need a virtual machine are skipped: ${vmUnavailable}`);
  return { vmUnavailable, templatesDir };
}

/** Installs the environment for this user, and builds one template of it for all tests. */
function makeTemplate(templatesDir: string): void {
  runOrThrow("bin/pyro.js", ["env", "pull", "debian:12"]);
  const cacheDir = `${templatesDir}.cache`;
  mkdirSync(cacheDir, { mode: 0o700 });
  symlinkSync(templatesDir, join(cacheDir, "templates"));
  const { environmentsDir } = layoutFromEnvironment(process.env);
  const env = {
    PYRO_CACHE_DIR: cacheDir,
    PYRO_STATE_DIR: join(cacheDir, "state"),
    PYRO_ENVIRONMENT_CACHE_DIR: environmentsDir,
  };
  try {
    runOrThrow("bin/pyro.js", ["prepare", "debian:12"], env);
  } finally {
    rmSync(cacheDir, { recursive: true, force: true });
  }
}

function findObstacle(): string | null {
  const { error } = spawnSync("qemu-system-x86_64", ["--version"]);
  return error ? `qemu-system-x86_64 cannot be run (${error.message}); run \`make setup\`` : null;
}
