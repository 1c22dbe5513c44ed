import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareTrees, contentOfTree, differences, onHost } from "../helpers/host-tree.ts";
import { makeSampleRepository } from "../helpers/sample-repository.ts";
import type { Json, Surface } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

/** What an agent might do, with programs that every host and guest has. */
const work = `
sed -i 's/export/EXPORT/' src/core/errors.ts
printf 'new\\n' > src/new.ts
rm -r docs
mv scripts tools
mkdir -p deep/er && cp Makefile deep/er/Makefile && chmod 755 deep/er/Makefile
chmod -x 'odd names/binary.bin'
ln -sf elsewhere 'odd names/dangling'
rm 'odd names/sources' && mkdir 'odd names/sources' && echo x > 'odd names/sources/x'
find . -path ./.git -prune -o -type f -print | LC_ALL=C sort | xargs -d '\\n' cksum | cksum
`;

/** Changes of every kind that a text patch can carry. */
const patchedWork = `
echo '// last line' >> src/new.ts
sed -i '1i // first line' src/core/errors.ts
git rm -q --cached Makefile 2> /dev/null; rm Makefile
git mv package.json renamed.json
mkdir added && echo added > added/file.txt
chmod +x src/new.ts
rm -r 'odd names/sources'
`;

describeWithVm("a workspace", () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  describe.each(["cli", "mcp"] as const)("used through the %s", (which) => {
    let surface: Surface;
    let workspaceId: string;
    /** Where every step is done on the host too */
    let host: string;
    let seed: string;
    beforeAll(() => {
      surface = bench[which];
      seed = bench.hostPath(`seed-${which}`);
      makeSampleRepository(seed, { withPackages: which === "cli" });
      host = bench.hostPath(`host-${which}`);
      onHost("/", 'cp -a "$1" "$2"', seed, host);
    });

    const call = (operation: string, input: object = {}): Promise<Json> =>
      surface.call(`workspace.${operation}`, { workspaceId, ...input });
    const both = async (script: string) => {
      const result = await call("exec", { command: ["sh", "-euc", script], timeoutSeconds: 100 });
      const { exit_code, stdout, stderr } = result;
      const onThisHost = onHost(host, script);
      expect({ exit_code, stdout, stderr }).toEqual({ exit_code: 0, stdout: onThisHost, stderr: "" });
    };
    const exported = async (name: string, path = "/workspace"): Promise<string> => {
      const output = bench.hostPath(`${which}-${name}`);
      await call("export", { path, outputPath: output });
      return output;
    };
    const expectAsOnHost = async (name: string) => {
      expect(await compareTrees(await exported(name), host)).toEqual([]);
    };

    test("begins with the seed's files, all of them and as they are", async () => {
      const created = await surface.call("workspace.create", { environment: "debian:12", seedPath: seed });
      workspaceId = created.workspace_id;
      expect(workspaceId).toMatch(/^[0-9a-f]{12}$/);
      expect(created).toMatchObject({
        state: "started",
        environment: "debian:12",
        workspace_path: "/workspace",
        network_policy: "off",
        execution_mode: "guest",
        isolation: { vmm: "qemu" },
        secrets: [],
        skipped_files: [],
        command_count: 0,
        workspace_seed: { mode: "directory", seed_path: seed, origin_kind: "manual_seed_path", origin_ref: null },
      });
      await both("git --no-optional-locks status --porcelain && git log --format=%s && find . | wc -l");
      await expectAsOnHost("seeded");
      expect(await call("diff")).toMatchObject({ changed: false, entries: [], patch: "" });
    });

    test("changes as the same work on the host changes a copy", async () => {
      await both(work);
    });

    test("takes a patch as `git apply` does", async () => {
      onHost("/", 'cp -a "$1" "$1.before"', host);
      onHost(host, "git add -A && git -c user.name=t -c user.email=t@example.com commit -q -m work");
      onHost(host, patchedWork);
      const patch = onHost(host, "git add -A && git diff --cached -M --no-color");
      expect(patch).toMatch(/^rename from package\.json$/m);
      const applied = await call("patch.apply", { patch });
      expect(applied).toMatchObject({ changed: true, summary: { added: 2, modified: 2 } });
      onHost("/", 'rm -rf "$1" && mv "$1.before" "$1"', host);
      await writeFile(bench.hostPath("work.patch"), patch);
      onHost(host, 'git apply "$1"', bench.hostPath("work.patch"));
    });

    test("takes directories and archives", async () => {
      onHost("/", 'cd "$1" && tar -czf "$2/odd.tar.gz" "odd names"', seed, bench.hostPath());
      expect(await call("sync.push", { sourcePath: `${seed}/docs`, dest: "/workspace/in/docs" })).toMatchObject({
        mode: "directory",
        source: `${seed}/docs`,
        destination: "/workspace/in/docs",
        skipped_files: [],
      });
      expect(await call("sync.push", { sourcePath: bench.hostPath("odd.tar.gz"), dest: "in" })).toMatchObject({
        mode: "tar_archive",
        destination: "/workspace/in",
      });
      onHost(
        host,
        'mkdir -p in/docs && cp -a "$1/docs/." in/docs && tar -xzf "$2" -C in',
        seed,
        bench.hostPath("odd.tar.gz"),
      );
      await expectAsOnHost("pushed");
    });

    test("is told apart from its seed by a diff that makes a seed the same tree", async () => {
      // To a model a diff of this size is shortened.
      const diff = which === "mcp" ? await bench.cli.call("workspace.diff", { workspaceId }) : await call("diff");
      const status = onHost(host, "git status --porcelain").trim();
      expect(status).not.toBe("");
      expect(diff.summary.total).toBe(diff.entries.length);
      const fresh = bench.hostPath(`fresh-${which}`);
      onHost("/", 'cp -a "$1" "$2" && rm -rf "$2/.git"', seed, fresh);
      const withoutGit = piecesOf(diff.patch)
        .filter((piece) => !piece.startsWith("diff --git a/.git/"))
        .join("");
      await writeFile(bench.hostPath("diff.patch"), withoutGit);
      onHost(fresh, 'git apply "$1"', bench.hostPath("diff.patch"));
      expect(differences(await contentOfTree(fresh), await contentOfTree(host))).toEqual([]);
    });

    test("goes back to a snapshot, and to the beginning", async () => {
      const { snapshot } = await call("snapshot.create", { snapshotName: "worked" });
      expect(snapshot).toMatchObject({ snapshot_name: "worked", kind: "named" });
      await call("exec", { command: "rm -rf node_modules/zod src; echo spoilt > Makefile; echo x > /root/x" });
      const back = await call("reset", { snapshot: "worked" });
      expect(back).toMatchObject({ workspace_id: workspaceId, state: "started", reset_count: 1, command_count: 0 });
      expect(back.workspace_reset).toMatchObject({ snapshot_name: "worked", kind: "named" });
      await expectAsOnHost("back at the snapshot");
      expect((await call("exec", { command: "cat /root/x" })).exit_code).toBe(1);
      await call("reset");
      expect(await compareTrees(await exported("back at the start"), seed)).toEqual([]);
      expect(await call("snapshot.list")).toMatchObject({
        snapshots: [{ snapshot_name: "baseline", kind: "baseline" }, { snapshot_name: "worked" }],
      });
      expect(await call("snapshot.delete", { snapshotName: "worked" })).toMatchObject({ deleted: true });
      expect((await call("snapshot.list")).count).toBe(1);
    });

    test("is stopped and started with everything that it had but processes", async () => {
      await call("file.write", { path: "kept.txt", text: "kept\n" });
      await call("exec", { command: "echo root > /root/kept; nohup sleep 1000 > /dev/null 2>&1 & echo begun" });
      const before = await call("logs");
      expect(await call("stop")).toMatchObject({ state: "stopped", state_reason: null });
      expect(await call("stop")).toMatchObject({ state: "stopped" });
      expect(await call("logs")).toEqual(before);
      expect(await call("start")).toMatchObject({ state: "started", command_count: before.count });
      expect(await call("start")).toMatchObject({ state: "started" });
      const after = await call("exec", { command: "cat kept.txt /root/kept; cat /proc/[0-9]*/comm | grep -x sleep" });
      expect(after).toMatchObject({ stdout: "kept\nroot\n", exit_code: 1, sequence: before.count + 1 });
      await call("exec", { command: "rm kept.txt" });
      expect(await call("diff")).toMatchObject({ changed: false });
    });

    test("has a name and labels, which change nothing else", async () => {
      const before = await call("status");
      const named = await call("update", { name: "fix – parser", labels: { issue: "12=3", owner: "me" } });
      expect(named).toEqual({ ...before, name: "fix – parser", labels: { issue: "12=3", owner: "me" } });
      const cleared = await call("update", { clearName: true, clearLabels: ["owner"] });
      expect(cleared).toEqual({ ...before, name: null, labels: { issue: "12=3" } });
      const { workspaces } = await surface.call("workspace.list");
      expect(workspaces).toMatchObject([{ workspace_id: workspaceId, labels: { issue: "12=3" }, state: "started" }]);
    });

    test("tells what happened in it", async () => {
      const { commands, edits, outcome, artifacts, changes, snapshots } = await call("summary");
      const { entries, count } = await call("logs");
      expect(entries.map(({ sequence }: Json) => sequence)).toEqual(entries.map((_: Json, index: number) => index + 1));
      expect(commands).toMatchObject({ total: count });
      expect(commands.recent[0]).toMatchObject({ sequence: count, exit_code: 0 });
      expect(edits.recent).toMatchObject([{ event_kind: "file_write", path: "/workspace/kept.txt" }]);
      expect(outcome).toMatchObject({ command_count: count, reset_count: 2, snapshot_count: 0, export_count: 1 });
      expect(artifacts.exports[0].output_path).toBe(bench.hostPath(`${which}-back at the start`));
      expect(changes).toMatchObject({ available: true, changed: false, entries: [] });
      expect(snapshots).toEqual({ named_count: 0, recent: [] });
    });

    test("leaves no file and no process when it is deleted", async () => {
      expect(await call("delete")).toEqual({ workspace_id: workspaceId, deleted: true });
      expect(await bench.leftovers()).toEqual([]);
      expect(await bench.processes()).toEqual([]);
      expect(await surface.refusal("workspace.status", { workspaceId })).toMatchObject({ code: "not_found" });
    });
  });
});

function piecesOf(patch: string): string[] {
  return patch.split(/^(?=diff --git )/m);
}
