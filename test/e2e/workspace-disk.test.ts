import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resultOf } from "../helpers/cli.ts";
import { checkImage, debugImage } from "../helpers/image-content.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

/** Changes by the machine, which keeps of its root what the tests need: less to export */
const changes = `
rm -rf /usr/share/* /usr/lib/python3* /usr/lib/git-core /var/lib/apt /var/lib/dpkg /var/cache
chmod 700 chmodded; mv renamed new-name; rm replaced deleted; echo after > replaced
mv folder moved; echo of-root > /root/note`;

describeWithVm("the disks of a stopped workspace", () => {
  let bench: Workbench;
  let workspaceId: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    const seedPath = bench.hostPath("seed");
    execFileSync("sh", [
      "-euc",
      'mkdir -p "$1/folder"; cd "$1"; for name in chmodded renamed replaced deleted folder/inner; do echo $name > $name; done',
      "sh",
      seedPath,
    ]);
    workspaceId = await bench.create({ seedPath });
    await bench.sh(workspaceId, changes);
    await call("stop");
  });
  afterAll(() => bench[Symbol.asyncDispose]());
  const call = (operation: string, input: object = {}): Promise<Json> =>
    bench.sdk.call(`workspace.${operation}`, { workspaceId, ...input });
  const read = async (path: string): Promise<string> => (await call("disk.read", { path })).content;
  const machines = async () => (await bench.processes()).filter(({ commandLine }) => commandLine.includes("qemu"));
  const storedFiles = async () => {
    const dir = join(bench.cache.workspacesDir, workspaceId);
    const record = await readFile(join(dir, "workspace.json"), "utf8");
    const names = (await readdir(join(dir, "disks"))).toSorted();
    const stats = await Promise.all(names.map((name) => stat(join(dir, "disks", name))));
    return { record, disks: stats.map(({ size, mtimeMs }, index) => [names[index], size, mtimeMs]) };
  };

  test("tell the truth of what was changed, and stay as they are", async () => {
    const before = await storedFiles();
    const { entries } = await call("disk.list", { recursive: true });
    expect(entries.map(({ path, mode }: Json) => `${mode} ${path.slice("/workspace/".length)}`)).toEqual([
      ...["0700 chmodded", "0755 moved", "0644 moved/inner", "0644 new-name", "0644 replaced"],
    ]);
    expect(await Promise.all(["chmodded", "new-name", "replaced", "moved/inner", "/root/note"].map(read))).toEqual([
      ...["chmodded\n", "renamed\n", "after\n", "folder/inner\n", "of-root\n"],
    ]);
    expect(await bench.sdk.refusal("workspace.disk.read", { workspaceId, path: "deleted" })).toMatchObject({
      code: "not_found",
    });
    expect(await storedFiles()).toEqual(before);
    expect(await machines()).toEqual([]);
  });

  test("are listed and read on each surface", async () => {
    const words = ["disk", "read", workspaceId, "replaced", "--content-only"];
    expect(await bench.output(words)).toBe("after\n");
    const { stderr } = await bench.run(["disk", "read", workspaceId, "replaced", "--max-bytes", "3"]);
    expect(stderr).toContain(`[workspace-disk-read] workspace_id=${workspaceId} path=/workspace/replaced size_bytes=6`);
    expect(await bench.mcp.call("workspace.disk.list", { workspaceId, path: "/root" })).toMatchObject({
      entries: expect.arrayContaining([expect.objectContaining({ path: "/root/note" })]),
    });
  });

  test("leave nothing of an export that is killed, and are free at once", async () => {
    const child = bench.start(["disk", "export", workspaceId, "--output", bench.hostPath("killed.ext4")]);
    let said = "";
    child.stderr?.on("data", (chunk) => {
      said += chunk;
    });
    await expect.poll(() => said, { timeout: 60_000 }).toContain("entries so far");
    child.kill("SIGKILL");
    await once(child, "exit");
    await expect.poll(() => readdir(bench.hostPath()), { timeout: 20_000 }).toEqual(["seed"]);
    await expect.poll(machines, { timeout: 20_000 }).toEqual([]);
    expect(await read("replaced")).toBe("after\n");
  });

  test("become an image that holds both, while a start waits", async () => {
    const outputPath = bench.hostPath("disk.ext4");
    const child = bench.start(["disk", "export", workspaceId, "--output", outputPath, "--json"]);
    const exported = resultOf(child);
    const running = once(child.stderr ?? child, "data");
    await Promise.race([running, exported]);
    const started = call("start");
    const result = (await exported).json();
    expect(result).toMatchObject({ output_path: outputPath, disk_format: "ext4", skipped_count: 0 });
    expect(await started).toMatchObject({ state: "started" });
    await checkImage(outputPath);
    const { size, blocks, uid, mode } = await stat(outputPath);
    expect([size, blocks * 512]).toEqual([result["virtual_size_bytes"], result["bytes_written"]]);
    expect(blocks * 512).toBeLessThan(size / 10);
    expect([uid, mode & 0o777]).toEqual([process.getuid?.(), 0o600]);
    const look = (request: string) => debugImage(outputPath, request);
    expect(await look("cat /workspace/replaced")).toBe("after\n");
    expect(await look("cat /root/note")).toBe("of-root\n");
    expect(await look("stat /workspace/chmodded")).toMatch(/Mode:\s+0700/);
    expect(await look("ls -p /workspace")).not.toMatch(/\/(?:deleted|renamed|folder)\//);
    expect(await bench.sdk.refusal("workspace.disk.export", { workspaceId, outputPath })).toMatchObject({
      code: "already_exists",
    });
  });

  test("are read after their machine has died, with what it had written", async () => {
    await bench.sh(workspaceId, "echo late > late; echo late > /root/late; sync");
    const { guardian } = JSON.parse(
      await readFile(join(bench.cache.workspacesDir, workspaceId, "workspace.json"), "utf8"),
    );
    process.kill(-guardian.pid, "SIGKILL");
    await expect.poll(async () => (await call("status")).state, { timeout: 60_000 }).toBe("failed");
    const before = await storedFiles();
    expect(await Promise.all(["late", "/root/late"].map(read))).toEqual(["late\n", "late\n"]);
    expect(await storedFiles()).toEqual(before);
    expect(await call("start")).toMatchObject({ state: "started" });
    expect(await bench.sh(workspaceId, "cat late /root/late")).toBe("late\nlate\n");
  });
});
