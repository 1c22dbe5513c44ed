import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { catalogEntry } from "../../../src/images/catalog.ts";
import { type EnvironmentProgress, installEnvironment } from "../../../src/images/install.ts";
import { findEnvironment } from "../../../src/images/store.ts";
import { fakeBuilder } from "./fake-builder.ts";
import { type TemporaryStore, temporaryStore } from "./temporary-store.ts";

const entry = catalogEntry("debian:12");
let bundleDir = "";

beforeAll(async () => {
  bundleDir = await mkdtemp(join(tmpdir(), "pyro-bundle-"));
  await build({
    entryPoints: [new URL("./pull-until-killed.ts", import.meta.url).pathname],
    outfile: join(bundleDir, "pull.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
  });
});

afterAll(() => rm(bundleDir, { recursive: true, force: true }));

async function startPull({ store, outsideDir }: TemporaryStore, phase: string): Promise<ChildProcess> {
  const args = [store.environmentsDir, outsideDir, phase];
  const child = spawn(process.execPath, [join(bundleDir, "pull.mjs"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  await once(child.stdout, "data");
  return child;
}

test.each(["packages", "kernel", "image"])(
  "a process killed in phase %s leaves no lock, and nothing that is used",
  async (phase) => {
    const temporary = await temporaryStore();
    const { store, outsideDir, files } = temporary;
    const child = await startPull(temporary, phase);
    child.kill("SIGKILL");
    await once(child, "close");
    expect(await findEnvironment(store, "debian:12")).toBeUndefined();
    expect(await files()).not.toEqual([]);
    await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir }) });
    expect(await findEnvironment(store, "debian:12")).toBeDefined();
    expect(await files()).toHaveLength(4);
  },
);

test("a pull waits for the process that pulls already, and takes over when that is killed", async () => {
  const temporary = await temporaryStore();
  const { store, outsideDir } = temporary;
  const child = await startPull(temporary, "kernel");
  const details: string[] = [];
  const onProgress = ({ phase, detail = "" }: EnvironmentProgress) => {
    if (phase !== "wait") return;
    details.push(detail);
    child.kill("SIGKILL");
  };
  const builder = fakeBuilder({ outsideDir });
  await installEnvironment({ store, entry, builder }, { onProgress });
  expect(details).toEqual([`waiting for process ${child.pid}, which is pulling debian:12`]);
  expect(builder.builds).toBe(1);
});
