import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { prepareSeed } from "../../../src/seeds/seed.ts";
import { listSeeds } from "../../../src/seeds/store.ts";
import { checkImage, listImage } from "../../helpers/image-content.ts";
import {
  emptyFolder,
  evaluateAsOrdinaryUser,
  evaluateInNamespace,
  ordinaryUid,
  shellAsOrdinaryUser,
  startAsOrdinaryUser,
} from "../tree/folder.ts";

const prepare = 'return (await import("./src/seeds/seed.ts")).prepareSeed(request);';

test("of two processes that want the same image one makes it", async () => {
  const { dir, request } = await treeOf(300);
  const prepared = await Promise.all(
    ["one", "two", "three"].map((name) =>
      evaluateAsOrdinaryUser(prepare, { request: { ...request, linkTo: join(dir, name) } }),
    ),
  );
  expect(prepared.map(({ reused }) => reused).toSorted()).toEqual([false, true, true]);
  const inodes = await Promise.all(["one", "two", "three"].map(async (name) => (await stat(join(dir, name))).ino));
  expect(new Set(inodes).size).toBe(1);
  expect(await listSeeds(request.seedsDir)).toHaveLength(1);
  await checkImage(join(dir, "one"));
  expect(await readdir(join(request.seedsDir, "staging"))).toEqual([]);
});

test.each(["copying", "making the disk image"])(
  "a process that is killed while %s leaves what the next one removes",
  async (step) => {
    const { dir, request } = await treeOf(3000);
    const killed = startAsOrdinaryUser(
      `const { prepareSeed } = await import("./src/seeds/seed.ts");
     return prepareSeed({ ...request, onProgress: (step) => console.log(step) });`,
      { request },
    );
    if (!killed.stdout || killed.pid === undefined) throw new Error("it did not start");
    for await (const line of createInterface(killed.stdout)) if (line === step) break;
    process.kill(killed.pid, "SIGKILL");
    await once(killed, "exit");
    expect(await readdir(join(request.seedsDir, "staging"))).toHaveLength(1);
    expect(await listSeeds(request.seedsDir)).toEqual([]);

    const empty = await evaluateAsOrdinaryUser(prepare, { request: { ...request, source: { kind: "empty" } } });
    expect(empty).toMatchObject({ reused: false });
    expect(await readdir(join(request.seedsDir, "staging"))).toEqual([]);
    const seed = await evaluateAsOrdinaryUser(prepare, { request: { ...request, linkTo: join(dir, "image") } });
    expect(seed).toMatchObject({ reused: false, entryCount: 3003 });
    await checkImage(seed.imagePath);
    expect(await listImage(seed.imagePath, "/base")).toEqual(["locked 040555/0/0"]);
  },
);

test.each(["copying", "making the disk image"])(
  "a disk that becomes full while %s is an error, and nothing is left",
  async (step) => {
    const { dir, request } = await treeOf(300);
    const outcome = await evaluateInNamespace(
      'mkdir "$1/small"; mount -t tmpfs -o size=100m tmpfs "$1/small"',
      dir,
      `const { prepareSeed } = await import("./src/seeds/seed.ts");
     const { appendFileSync, readdirSync, statSync } = await import("node:fs");
     const onProgress = (now) => {
       if (now !== step) return;
       try { for (const size of [1 << 20, 4096]) for (;;) try { appendFileSync(dir + "/small/filler", Buffer.alloc(size)); } catch { break; } } catch {}
     };
     const failure = await prepareSeed({ ...request, onProgress }).catch((error) => error.toJSON());
     const left = ["staging", "images", "index"].map((name) => { try { return readdirSync(request.seedsDir + "/" + name); } catch { return []; } });
     return { failure, left };`,
      { dir, step, request: { ...request, uid: 0, seedsDir: join(dir, "small", "cache") } },
    );
    expect(outcome.failure).toMatchObject({ code: "resource_exhausted" });
    expect(outcome.failure.message).toContain("full");
    expect(outcome.left).toEqual([[], [], []]);
  },
);

test("too little room is seen before anything is done", async () => {
  const { dir, request } = await treeOf(3);
  const failure = await evaluateInNamespace(
    'mkdir "$1/small"; mount -t tmpfs -o size=20m tmpfs "$1/small"',
    dir,
    prepare,
    { request: { ...request, uid: 0, seedsDir: join(dir, "small", "cache") } },
  );
  expect(failure.error).toMatchObject({
    code: "resource_exhausted",
    message: expect.stringContaining("MiB free under"),
  });
});

test("cancelling ends the programs and leaves nothing", async () => {
  const { request } = await treeOf(3000);
  const stop = new AbortController();
  const onProgress = (step: string) => {
    if (step === "copying") setTimeout(() => stop.abort(), 30);
  };
  const uid = process.getuid?.() ?? ordinaryUid;
  await expect(prepareSeed({ ...request, uid, onProgress, signal: stop.signal })).rejects.toMatchObject({
    code: "cancelled",
  });
  expect(await readdir(join(request.seedsDir, "staging"))).toEqual([]);
  expect(await listSeeds(request.seedsDir)).toEqual([]);
});

/** A tree of so many files in a read-only folder, and the request for it. */
async function treeOf(fileCount: number) {
  const dir = await emptyFolder("pyro seeds-");
  await shellAsOrdinaryUser(
    `cd "$1"; mkdir -p in/locked/more; for f in $(seq "$2"); do echo $f > in/locked/more/$f; done
     chmod 555 in/locked/more in/locked; sleep 2.1`,
    dir,
    String(fileCount),
  );
  const source = { kind: "directory", path: join(dir, "in") } as const;
  const common = { imageBytes: 1024 ** 3, uid: ordinaryUid, searchPath: "/usr/bin:/bin" };
  return { dir, request: { ...common, source, seedsDir: join(dir, "cache") } };
}
