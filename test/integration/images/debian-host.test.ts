import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { catalogEntry } from "../../../src/images/catalog.ts";
import { requireHostTools } from "../../../src/images/debian/host-tools.ts";
import { watchMirror } from "../../../src/images/debian/mirror-watch.ts";
import { bootstrap } from "../../../src/images/debian/mmdebstrap.ts";
import { removeScratch } from "../../../src/images/debian/scratch.ts";

async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "pyro-debian-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A host whose only programs are scripts that do what the test wants. */
async function hostWith(scripts: Readonly<Record<string, string>>) {
  const searchPath = await temporaryDir();
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(searchPath, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return { searchPath, uid: 1000 };
}

test("the probe of user namespaces runs the programs of the caller's search path", async () => {
  const mmdebstrap = 'echo "E: this is the fake one" >&2; exit 1';
  const host = await hostWith({ mmdebstrap, "apt-get": "", newuidmap: "", mke2fs: "" });
  await expect(requireHostTools(host)).rejects.toMatchObject({
    message: "cannot build environments as an ordinary user: this is the fake one",
  });
});

test("mmdebstrap runs, and looks for programs, in the caller's search path, with the user's proxy", async () => {
  const host = await hostWith({ mmdebstrap: 'echo "$PATH $http_proxy $TMPDIR" > seen; exit 0' });
  const scratchDir = await temporaryDir();
  vi.stubEnv("http_proxy", "http://proxy.invalid:3128");
  onTestFinished(() => void vi.unstubAllEnvs());
  const request = { entry: catalogEntry("debian:12"), onPhase: () => {}, signal: undefined, mirror: undefined };
  await bootstrap({ ...request, host, scratchDir });
  const seen = await readFile(join(scratchDir, "seen"), "utf8");
  expect(seen).toBe(`${host.searchPath}:/usr/sbin:/sbin http://proxy.invalid:3128 ${scratchDir}\n`);
});

test("a scratch folder that is a link to another user's files leaves them alone", async () => {
  const [stagingDir, theirs] = [await temporaryDir(), await temporaryDir()];
  await writeFile(join(theirs, "file"), "");
  await symlink(theirs, join(stagingDir, "scratch"));
  await removeScratch({ searchPath: "/usr/bin:/bin", uid: 0 }, stagingDir);
  expect(await readFile(join(theirs, "file"), "utf8")).toBe("");
});

test.each([
  ["has no index in time is given up", "an empty folder", true],
  ["has one is kept", "an index", false],
  ["cannot be judged, as the indexes cannot be read, is kept", "unreadable", false],
])("a mirror that %s", async (_, lists, isSilent) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const rootDir = await temporaryDir();
  const listsDir = join(rootDir, "var/lib/apt/lists");
  await mkdir(join(rootDir, "var/lib/apt"), { recursive: true });
  if (lists === "unreadable") await symlink(listsDir, listsDir);
  else await mkdir(listsDir);
  if (lists === "an index") await writeFile(join(listsDir, "mirror_dists_bookworm_InRelease"), "");
  const watch = watchMirror(rootDir, undefined);
  watch.start();
  await vi.advanceTimersByTimeAsync(25_000);
  // The folder is read meanwhile, in real time
  await setTimeout(300);
  expect(watch.isMirrorSilent()).toBe(isSilent);
});
