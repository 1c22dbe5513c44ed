import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { PyroError } from "../../../src/core/errors.ts";
import { type GeneratedSource, prepareSeed } from "../../../src/seeds/seed.ts";
import { listSeeds } from "../../../src/seeds/store.ts";
import { checkImage, debugImage, listImage } from "../../helpers/image-content.ts";
import { processesOf } from "../../helpers/processes.ts";
import {
  emptyFolder,
  evaluateAsOrdinaryUser,
  evaluateInNamespace,
  ordinaryUid,
  shellAsOrdinaryUser,
  startAsOrdinaryUser,
} from "../tree/folder.ts";

test("a tree is made once for everything that it may stand for", async () => {
  const request = requestAt(await emptyFolder("pyro seeds-"), process.getuid?.() ?? ordinaryUid);
  const made: string[] = [];
  const source = (identity: string): GeneratedSource => ({
    kind: "generated",
    what: `tree '${identity}'`,
    identity,
    generate: async (dir) => {
      made.push(identity);
      await writeFile(join(dir, "file"), identity);
    },
  });
  const one = await prepareSeed({ ...request, source: source("one") });
  expect(one).toMatchObject({ entryCount: 2, bytesWritten: 3, skipped: [], reused: false });
  await checkImage(one.imagePath);
  expect(await listImage(one.imagePath, "/base")).toEqual(["file 100644/0/0"]);
  expect(await prepareSeed({ ...request, source: source("one") })).toEqual({ ...one, reused: true });
  const two = await prepareSeed({ ...request, source: source("two") });
  expect(await debugImage(two.imagePath, "cat /base/file")).toBe("two");
  expect(made).toEqual(["one", "two"]);
});

test("of two who want the same tree one makes it", async () => {
  const request = requestAt(await emptyFolder("pyro seeds-"), process.getuid?.() ?? ordinaryUid);
  let made = 0;
  const source: GeneratedSource = {
    kind: "generated",
    what: "tree",
    identity: "one",
    generate: async () => {
      made += 1;
    },
  };
  const prepared = await Promise.all([1, 2].map(() => prepareSeed({ ...request, source })));
  expect(prepared.map(({ reused }) => reused).toSorted()).toEqual([false, true]);
  expect(made).toBe(1);
});

test("what fails while it is made leaves nothing, and is tried again", async () => {
  const request = requestAt(await emptyFolder("pyro seeds-"), process.getuid?.() ?? ordinaryUid);
  let fails = true;
  const source: GeneratedSource = {
    kind: "generated",
    what: "tree",
    identity: "one",
    generate: async (dir) => {
      await writeFile(join(dir, "half"), "");
      if (fails) throw new PyroError("unavailable", "no network");
    },
  };
  await expect(prepareSeed({ ...request, source })).rejects.toMatchObject({ code: "unavailable" });
  expect(await readdir(join(request.seedsDir, "staging"))).toEqual([]);
  expect(await listSeeds(request.seedsDir)).toEqual([]);
  fails = false;
  expect(await prepareSeed({ ...request, source })).toMatchObject({ entryCount: 2, reused: false });
});

const cloneIt = `
  const { prepareSeed } = await import("./src/seeds/seed.ts");
  const { cloneCommit } = await import("./src/projects/clone.ts");
  const { projectFromUrl, resolveCommit } = await import("./src/projects/remote.ts");
  const source = projectFromUrl(url);
  const resolved = await resolveCommit(source);
  const generate = (dir, options) => { console.log("cloning"); return cloneCommit(source, resolved, dir, options); };
  const clone = { kind: "generated", what: "clone '" + url + "'", identity: url, generate };`;

test("a process that is killed while it clones leaves no process, and what the next one removes", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const { url, request } = await repositoryIn(dir);
  // git's other half waits instead of sending: it is killed in the middle.
  await shellAsOrdinaryUser('git config -f "$1/slow" uploadpack.packObjectsHook "sleep 600 #"', dir);
  const killed = startAsOrdinaryUser(
    `process.env.GIT_CONFIG_GLOBAL = slow; ${cloneIt} return prepareSeed({ ...request, source: clone });`,
    { slow: join(dir, "slow"), url, request },
  );
  if (!killed.stdout || killed.pid === undefined) throw new Error("it did not start");
  for await (const line of createInterface(killed.stdout)) if (line === "cloning") break;
  const commands = async () => (await processesOf(dir)).map(({ commandLine }) => commandLine).join("\n");
  await expect.poll(commands, { timeout: 10_000 }).toContain("sleep 600");
  process.kill(killed.pid, "SIGKILL");
  await once(killed, "exit");
  await expect.poll(commands, { timeout: 10_000 }).toBe("");
  expect(await readdir(join(request.seedsDir, "staging"))).toHaveLength(1);

  const seed = await evaluateAsOrdinaryUser(`${cloneIt} return prepareSeed({ ...request, source: clone });`, {
    url,
    request,
  });
  expect(seed).toMatchObject({ reused: false });
  await checkImage(seed.imagePath);
  expect(await readdir(join(request.seedsDir, "staging"))).toEqual([]);
});

test("a disk that becomes full while cloning is an error, and nothing is left", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const { url, request } = await repositoryIn(dir);
  const outcome = await evaluateInNamespace(
    'mkdir "$1/small"; mount -t tmpfs -o size=100m tmpfs "$1/small"',
    dir,
    `${cloneIt}
     const { appendFileSync, readdirSync } = await import("node:fs");
     const fill = () => { for (const size of [1 << 20, 4096]) try { for (;;) appendFileSync(dir + "/small/filler", Buffer.alloc(size)); } catch {} };
     const filling = { ...clone, generate: (to, options) => { fill(); return clone.generate(to, options); } };
     const failure = await prepareSeed({ ...request, source: filling }).catch((error) => error.toJSON());
     return { failure, left: readdirSync(request.seedsDir + "/staging") };`,
    { url, dir, request: { ...request, uid: 0, seedsDir: join(dir, "small", "cache") } },
  );
  expect(outcome.failure).toMatchObject({
    code: "resource_exhausted",
    message: expect.stringContaining("the disk became full"),
  });
  expect(outcome.left).toEqual([]);
});

function requestAt(dir: string, uid: number) {
  return { seedsDir: join(dir, "cache"), imageBytes: 1024 ** 3, uid, searchPath: "/usr/bin:/bin" };
}

/** A repository of an ordinary user, and what that user is to ask for. */
async function repositoryIn(dir: string) {
  await shellAsOrdinaryUser(
    `mkdir "$1/repository"; cd "$1/repository"; git init -q; head -c 300000 /dev/urandom > file; git add -A
     git -c user.name=tester -c user.email=t@example.com commit -qm one`,
    dir,
  );
  return { url: pathToFileURL(join(dir, "repository")).href, request: requestAt(dir, ordinaryUid) };
}
