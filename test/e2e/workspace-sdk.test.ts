import { lstat } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Pyro, PyroError, type Workspace } from "../../src/index.ts";
import { eventually } from "../helpers/processes.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const soonMs = 30_000;
const environment = "debian:12";

describeWithVm("the library's workspaces", () => {
  let bench: Workbench;
  let pyro: Pyro;
  let workspace: Workspace;
  beforeAll(async () => {
    bench = await Workbench.create();
    pyro = new Pyro({ env: { ...process.env, ...bench.env } });
    workspace = await pyro.createWorkspace({ environment, name: "ours", labels: { a: "1" } });
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const isRunning = async (marker: string) =>
    (await workspace.exec(`grep -lsa "^sleep.${marker}" /proc/[0-9]*/cmdline`)).exitCode === 0;

  test("have everything as methods", async () => {
    await workspace.writeFile("a/b.txt", "one\n");
    expect(await workspace.readFile("a/b.txt", { maxBytes: 2 })).toMatchObject({ content: "on", truncated: true });
    expect((await workspace.listFiles({ recursive: true })).entries).toHaveLength(2);
    await workspace.applyPatch("--- a/a/b.txt\n+++ b/a/b.txt\n@@ -1 +1 @@\n-one\n+two\n");
    expect((await workspace.diff()).summary).toMatchObject({ added: 2, total: 2 });
    await workspace.snapshot("kept");
    await workspace.exec(["rm", "-r", "a"]);
    expect((await workspace.reset({ snapshot: "kept" })).resetCount).toBe(1);
    expect((await workspace.exec("cat a/b.txt")).stdout).toBe("two\n");
    expect((await workspace.listSnapshots()).count).toBe(2);
    expect((await workspace.update({ labels: { b: "2" } })).labels).toEqual({ a: "1", b: "2" });
    expect((await workspace.summary()).outcome).toMatchObject({ commandCount: 1, snapshotCount: 1, resetCount: 1 });
    expect((await workspace.logs()).entries).toMatchObject([{ command: ["cat a/b.txt"], exitCode: 0 }]);
    expect(await workspace.status()).toMatchObject({ state: "started", name: "ours" });
  });

  test("take a text for the guest's shell, and words that are none", async () => {
    expect((await workspace.exec("echo $((1 + 1)) | tr 2 3")).stdout).toBe("3\n");
    expect((await workspace.exec(["echo", "$((1 + 1)) | tr 2 3"])).stdout).toBe("$((1 + 1)) | tr 2 3\n");
  });

  test("say how a command ended, bytes that are no text included", async () => {
    expect(await workspace.exec("printf '\\377'; printf x >&2; exit 9")).toMatchObject({
      exitCode: 9,
      stdout: "/w==",
      stdoutEncoding: "base64",
      stderr: "x",
      stderrEncoding: "utf-8",
      signal: null,
      timedOut: false,
      startError: null,
      truncated: false,
      cwd: "/workspace",
    });
    expect(await workspace.exec("sleep 60", { timeoutSeconds: 0.5 })).toMatchObject({ exitCode: 124, timedOut: true });
  });

  test("hand over output as it comes", async () => {
    const seen: string[] = [];
    const streams = { onStdout: (chunk: Buffer) => void seen.push(chunk.toString()), onStderr: () => {} };
    expect((await workspace.exec(["echo", "hello"], { streams })).stdout).toBe("");
    expect(seen.join("")).toBe("hello\n");
  });

  test("cancel a command, which ends in the guest", async () => {
    const controller = new AbortController();
    const streams = { onStdout: () => controller.abort(), onStderr: () => {} };
    const work = workspace.exec("echo begun; sleep 7081", { streams, signal: controller.signal, timeoutSeconds: 600 });
    await expect(work).rejects.toMatchObject({ code: "cancelled" });
    await eventually(async () => !(await isRunning("7081")), soonMs, "the command is gone");
  });

  test("cancel a command also while its output is not taken", async () => {
    const controller = new AbortController();
    const streams = { onStdout: () => new Promise<void>(() => controller.abort()), onStderr: () => {} };
    const work = workspace.exec("echo begun; sleep 7082", { streams, signal: controller.signal, timeoutSeconds: 600 });
    await expect(work).rejects.toMatchObject({ code: "cancelled" });
    await eventually(async () => !(await isRunning("7082")), soonMs, "the command is gone");
  }, 40_000);

  test("end a command whose output the caller cannot take", async () => {
    const streams = { onStdout: () => Promise.reject(new Error("no room")), onStderr: () => {} };
    const work = workspace.exec("echo begun; sleep 7083", { streams, timeoutSeconds: 600 });
    await expect(work).rejects.toThrow("no room");
    await eventually(async () => !(await isRunning("7083")), soonMs, "the command is gone");
  });

  test("cancel an export, which leaves nothing", async () => {
    await workspace.exec("mkdir -p many && cd many && seq 3000 | xargs touch && head -c 30000000 /dev/urandom > zz");
    const controller = new AbortController();
    const work = workspace.export("many", bench.hostPath("many"), { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    const outcome = await work.then(
      () => "done",
      (error: PyroError) => error.code,
    );
    // It may have been faster.
    if (outcome === "done") return;
    expect(outcome).toBe("cancelled");
    await expect(lstat(bench.hostPath("many"))).rejects.toThrow(/ENOENT/);
  });

  test("cancel a creation at any moment, which leaves nothing", async () => {
    for (const delayMs of [0, 50, 150, 300, 600]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), delayMs);
      const outcome = await pyro.workspace.create({ environment }, { signal: controller.signal }).then(
        ({ workspaceId }) => pyro.workspace.delete({ workspaceId }).then(() => "cancelled"),
        (error: PyroError) => error.code,
      );
      expect(outcome).toBe("cancelled");
      const isClean = async () => {
        const processes = await bench.processes();
        return (
          (await bench.leftovers()).join() === workspace.id &&
          processes.every(({ commandLine }) => !/\.new-/.test(commandLine))
        );
      };
      await eventually(isClean, soonMs, "nothing is left of it");
    }
  });

  test("are deleted at the end of their scope, unless they were only attached", async () => {
    let id = "";
    {
      await using own = await pyro.createWorkspace({ environment });
      id = own.id;
      await using attached = await pyro.attachWorkspace(workspace.id);
      expect((await attached.exec(["true"])).exitCode).toBe(0);
    }
    await expect(pyro.attachWorkspace(id)).rejects.toMatchObject({ code: "not_found" });
    expect(await workspace.status()).toMatchObject({ state: "started" });
  });

  test("may be deleted within their scope", async () => {
    await using own = await pyro.createWorkspace({ environment });
    await own.delete();
    await expect(own.status()).rejects.toBeInstanceOf(PyroError);
  });

  test("leave nothing when they are deleted, and hold no process of ours", async () => {
    await workspace.delete();
    expect(await bench.leftovers()).toEqual([]);
    expect(await bench.processes()).toEqual([]);
  });
});
