import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import { bootMachine, type Machine } from "../../src/machines/machine.ts";
import type { Disk } from "../../src/vm/driver.ts";
import { stoppedTree } from "../../src/workspaces/disk/stopped-tree.ts";
import { pathInMachine } from "../../src/workspaces/file/guest-path.ts";
import { type FileTree, listTree, readText } from "../../src/workspaces/file/reading/tree-files.ts";
import { engineContext } from "../helpers/engine-context.ts";
import { checkImage, debugImage } from "../helpers/image-content.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { namespaceDriver } from "../helpers/namespaces/driver.ts";
import { WorkspaceWithoutVm } from "../helpers/namespaces/workspace.ts";
import { Workbench } from "../helpers/workbench.ts";
import { makeWorkspaceImage } from "../helpers/workspace-image.ts";
import { workspaceRecord } from "../helpers/workspace-record.ts";
import { sh } from "./shell.ts";

const workspaceId = "0123456789ab";
const page = { offset: 0, maxBytes: 65_536 };

/** Files of the workspace before its machine changes them */
const files = { chmodded: "chmodded\n", renamed: "renamed\n", replaced: "before\n", deleted: "deleted\n" };
const changes = `
chmod 750 chmodded; mv renamed new-name; rm replaced deleted; echo after > replaced; ln chmodded second-name
mkdir folder; echo inner > folder/inner; mkdir many; (cd many; seq 2000 | xargs touch)
printf bytes > "$(printf 'n\\377me')"; ln -s /root/note to-root; ln -s replaced to-replaced
truncate -s 3G sparse; mknod device c 1 3; head -c 1000 /dev/zero > binary`;

describeWithNamespaces("the disks of a machine that has ended, in another one", () => {
  let dir: string;
  let machine: Machine;
  let tree: FileTree;
  const disk = (name: string): Disk => {
    return { layers: [{ path: join(dir, name), format: "raw" }], ownsRaw: true, disposable: false, durable: true };
  };
  /** Without a VM: a machine of its own for the same disks */
  const boot = (addedDisks: readonly Disk[]): Promise<Machine> => {
    const { agentPath } = layoutFromEnvironment(process.env);
    return bootMachine({
      id: workspaceId,
      driver: namespaceDriver(agentPath),
      environment: { ...workspaceRecord({ workspaceId }).environment, modulesPath: join(dir, "no-modules") },
      disks: { rootDisk: disk("workspace"), workspaceDisk: disk("workspace"), addedDisks },
      workspace: "as-it-is",
      shape: { vcpuCount: 1, memMib: 256 },
      accelerator: "tcg",
      agentPath,
      scratchDir: join(dir, "scratch"),
      timeoutMs: 30_000,
    });
  };
  const list = (path: string, recursive = false) => listTree(tree, pathInMachine(path), recursive);
  const read = async (path: string, more = page) => readText(tree, pathInMachine(path), more);

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "pyro-disk-"));
    await writeFile(join(dir, "no-modules"), "");
    await makeWorkspaceImage({ path: join(dir, "workspace"), sizeMib: 64, files });
    await makeRootImage(dir);
    await writeFile(join(dir, "output"), "");
    await truncate(join(dir, "output"), 128 * 1024 ** 2);
    execFileSync("mkfs.ext4", ["-q", "-E", "lazy_itable_init=1,nodiscard", join(dir, "output")]);
    const stopped = await boot([]);
    await sh(stopped.agent, changes);
    await stopped.agent.powerOff();
    await stopped.vm.exited;
    machine = await boot([disk("root"), disk("output")]);
    const call = { context: engineContext(dir), workspaceId, agent: machine.agent };
    tree = stoppedTree(call, { findSecrets: undefined });
  });
  afterAll(async () => {
    await machine.close();
    await rm(dir, { recursive: true, force: true });
  });

  test("show files that were changed in mode, renamed, replaced and deleted as they became", async () => {
    const { entries } = await list("/workspace");
    const shown = Object.fromEntries(entries.map(({ path, mode, sizeBytes }) => [path, [mode, sizeBytes]]));
    expect(shown).toMatchObject({
      "/workspace/chmodded": ["0750", 9],
      "/workspace/second-name": ["0750", 9],
      "/workspace/new-name": ["0644", 8],
      "/workspace/replaced": ["0644", 6],
    });
    expect(Object.keys(shown)).not.toContain("/workspace/deleted");
    for (const [path, content] of [
      ["chmodded", files.chmodded],
      ["new-name", files.renamed],
      ["/workspace/replaced", "after\n"],
      ["folder/inner", "inner\n"],
    ] as const) {
      expect(await read(path)).toMatchObject({ content, nextOffset: null });
    }
    await expect(read("deleted")).rejects.toMatchObject({ code: "not_found" });
  });

  test("are one tree from /, with /workspace in its place", async () => {
    const all = (await list("/", true)).entries.map(({ path }) => path);
    expect(all).toEqual(expect.arrayContaining(["/etc/hostname", "/root/note", "/workspace", "/workspace/many/2000"]));
    expect(all).toContain('"/workspace/n\\377me"');
    expect(all).not.toContain("/workspace/under-the-mount");
    expect(all.length).toBe(new Set(all).size);
    expect((await list("/")).entries.filter(({ path }) => path.startsWith("/workspace"))).toHaveLength(1);
    expect(await read("/etc/hostname")).toMatchObject({ path: "/etc/hostname", content: "on-disk\n" });
    expect(await read("/root/note", { offset: 0, maxBytes: 4 })).toMatchObject({ content: "note", nextOffset: 4 });
  });

  test("follow links on one disk, and say of others where they lead", async () => {
    expect(await read("/etc/absolute")).toMatchObject({ content: "note of root\n" });
    expect(await read("to-replaced")).toMatchObject({ content: "after\n" });
    await expect(read("to-root")).rejects.toThrow(/symbolic link to '\/root\/note', which is no file on the same disk/);
    await expect(read("/etc/outside")).rejects.toThrow(/symbolic link to '\.\.\/\.\.\/\.\.\/nowhere'/);
    await expect(read("/etc/to-workspace/replaced")).rejects.toThrow(/a directory on its way is a symbolic link/);
    expect((await list("to-root")).entries).toMatchObject([{ artifactType: "symlink", linkTarget: "/root/note" }]);
  });

  test.each([
    ["folder", /it is a directory/],
    ["device", /it is no regular file/],
    ["binary", /it is not UTF-8 text/],
    ["nothing", /there is no '\/workspace\/nothing' on the disks of workspace/],
    ["/proc/self/environ", /there is no/],
  ])("say why %s cannot be read", async (path, reason) => {
    await expect(read(path)).rejects.toThrow(reason);
  });

  test("become one sound file system, which has all of it", async () => {
    await list("/");
    const copied = await machine.agent.exportInspected("/dev/vdd", () => {});
    expect(copied.skippedCount).toBe(0);
    await machine.vm.stop();
    const output = join(dir, "output");
    await checkImage(output);
    const look = (request: string) => debugImage(output, request);
    expect(await look("cat /workspace/chmodded")).toBe(files.chmodded);
    expect(await look("stat /workspace/second-name")).toMatch(/Mode:\s+0750[\s\S]*Links: 2/);
    expect(await look("stat /workspace/sparse")).toMatch(/Size: 3221225472[\s\S]*Blockcount: 0/);
    expect(await look("stat /workspace/device")).toMatch(/character special[\s\S]*01:03/);
    expect(await look("cat /etc/hostname")).toBe("on-disk\n");
    expect(await look("ls -p /workspace")).not.toMatch(/\/(?:deleted|renamed|under-the-mount|\.pyro[^/]*)\//);
  });
});

describeWithNamespaces("the disks of a workspace that runs", () => {
  let bench: Workbench;
  let workspace: WorkspaceWithoutVm;
  beforeAll(async () => {
    bench = await Workbench.create();
    // What is said of secrets comes after that.
    const secrets = [{ name: "TOKEN", value: "never-to-be-read", hosts: [], inQuery: false }];
    workspace = await WorkspaceWithoutVm.start(bench.cache, {}, { secrets });
  });
  afterAll(async () => {
    await workspace[Symbol.asyncDispose]();
    await bench[Symbol.asyncDispose]();
  });

  test.each([
    ["list", {}],
    ["read", { path: "/etc/hostname" }],
    ["export", { outputPath: "image" }],
  ])("are not there to %s", async (verb, input) => {
    const output = "outputPath" in input ? { outputPath: bench.hostPath("image") } : {};
    const { workspaceId } = workspace;
    expect(await bench.sdk.refusal(`workspace.disk.${verb}`, { workspaceId, ...input, ...output })).toMatchObject({
      code: "failed_precondition",
      message: `cannot ${verb} the disks of workspace '${workspaceId}': it must be stopped before they are looked at`,
    });
    expect(await readdir(bench.hostPath())).toEqual([]);
  });
});

async function makeRootImage(dir: string): Promise<void> {
  const root = join(dir, "root-tree");
  for (const name of ["etc", "root", "workspace"]) await mkdir(join(root, name), { recursive: true });
  await writeFile(join(root, "etc/hostname"), "on-disk\n");
  await writeFile(join(root, "root/note"), "note of root\n");
  await writeFile(join(root, "workspace/under-the-mount"), "");
  await symlink("/root/note", join(root, "etc/absolute"));
  await symlink("../../../nowhere", join(root, "etc/outside"));
  await symlink("/workspace", join(root, "etc/to-workspace"));
  await chmod(join(root, "root"), 0o700);
  await writeFile(join(dir, "root"), "");
  await truncate(join(dir, "root"), 64 * 1024 ** 2);
  execFileSync("mkfs.ext4", ["-q", "-d", root, join(dir, "root")]);
}
