import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import buildAndPull from "../e2e/global-setup.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Templates that all files here share; each has its own folder for workspaces */
    chaosCacheDir: string;
  }
}

const pyroPath = fileURLToPath(new URL("../../bin/pyro.js", import.meta.url));

/** One template for all of these tests, built before the first of them. */
export default function setup(project: TestProject): () => void {
  const isVmMissing = spawnSync("qemu-system-x86_64", ["--version"]).error !== undefined;
  buildAndPull(project);
  const cacheDir = mkdtempSync(join(tmpdir(), "pyro chaos cache "));
  if (!isVmMissing) {
    const { environmentsDir } = layoutFromEnvironment(process.env);
    const env = { ...process.env, PYRO_CACHE_DIR: cacheDir, PYRO_ENVIRONMENT_CACHE_DIR: environmentsDir };
    const { status } = spawnSync(pyroPath, ["prepare", "debian:12"], { stdio: "inherit", env });
    if (status !== 0) throw new Error("`pyro prepare` failed");
  }
  project.provide("chaosCacheDir", cacheDir);
  return () => rmSync(cacheDir, { recursive: true, force: true });
}
