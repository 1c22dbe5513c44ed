import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resultOf } from "../helpers/cli.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

/** What users' scripts look for: its form is a promise. */
describeWithVm("the lines of pyro workspace", () => {
  let bench: Workbench;
  let id: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    await mkdir(bench.hostPath("seed"));
    await writeFile(bench.hostPath("seed", "a.txt"), "one\n");
    bench.tar(bench.hostPath("seed"), bench.hostPath("seed.tgz"), ["-z", "."]);
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const said = async (...words: string[]) => {
    const { stdout, stderr, exitCode } = await bench.run(words);
    expect(exitCode, stderr).toBe(0);
    return `${stdout}${stderr}`;
  };

  test("with --id-only are the identifier, and of an archive the workspace has the files", async () => {
    const words = ["create", "debian:12", "--seed-path", bench.hostPath("seed.tgz"), "--name", "lines", "--id-only"];
    const result = await bench.run(words);
    expect(result.stdout.toString()).toMatch(/^[0-9a-f]{12}\n$/);
    id = result.stdout.toString().trim();
    expect(await bench.json(["status", id])).toMatchObject({ workspace_seed: { mode: "tar_archive" }, name: "lines" });
    expect(await bench.sh(id, "cat a.txt")).toBe("one\n");
  });

  test.each<[string, string[], RegExp]>([
    [
      "sync push",
      ["seed"],
      /^\[workspace-sync\] workspace_id=\S+ mode=directory source=.+ destination=\/workspace entry_count=1 bytes_written=4 execution_mode=guest\n$/,
    ],
    [
      "file read",
      ["a.txt"],
      /^one\n\[workspace-file-read\] workspace_id=\S+ path=\/workspace\/a\.txt size_bytes=4 truncated=false execution_mode=guest\n$/,
    ],
    [
      "file write",
      ["b.txt", "--text", "two\n"],
      /^\[workspace-file-write\] workspace_id=\S+ path=\/workspace\/b\.txt bytes_written=4 execution_mode=guest\n$/,
    ],
    [
      "diff",
      [],
      /^diff --git a\/b\.txt [\s\S]+\n\[workspace-diff\] workspace_id=\S+ total=1 added=1 modified=0 deleted=0 type_changed=0 text_patched=1 non_text=0\n$/,
    ],
    [
      "snapshot create",
      ["one"],
      /^\[workspace-snapshot-create\] (?:workspace_id=\S+ )?snapshot_name=one kind=named entry_count=\d+ bytes_written=8 created_at=\S+\n$/,
    ],
    [
      "export",
      ["b.txt", "--output", "out"],
      /^\[workspace-export\] workspace_id=\S+ workspace_path=\/workspace\/b\.txt output_path=\S.+ artifact_type=file entry_count=1 bytes_written=4 execution_mode=guest\n$/,
    ],
    [
      "reset",
      [],
      /\n\[workspace-reset\] (?:workspace_id=\S+ )?snapshot_name=baseline kind=baseline destination=\/workspace entry_count=\d+ bytes_written=4\n$/,
    ],
    ["snapshot list", [], /^snapshot_name=baseline kind=baseline .+\nsnapshot_name=one kind=named .+\n$/],
    ["file list", [], /^0644 file +4 \/workspace\/a\.txt\n$/],
    ["logs", [], /^No commands yet\.\n$/],
    [
      "summary",
      [],
      /^Workspace review: [0-9a-f]{12}\nName: lines\nEnvironment: debian:12\nState: started, since .+\nOutcome: commands=0 services=0\/0 exports=0 snapshots=1 resets=1\n\nChanges: none\n/,
    ],
    ["snapshot delete", ["one"], /^Deleted snapshot one of workspace \S+\.\n$/],
  ])("are one for each '%s'", async (command, words, form) => {
    const own = words.map((word) => (["seed", "out"].includes(word) ? bench.hostPath(word) : word));
    expect(await said(...command.split(" "), id, ...own)).toMatch(form);
  });

  test("list the workspaces that there are", async () => {
    expect(await said("list")).toMatch(new RegExp(`^ID +STATE .+\\n${id} +started +debian:12 +0 .+ lines\\n$`));
  });

  test("are the same for callers that stop it at the same time", async () => {
    const results = await Promise.all([1, 2, 3].map(() => bench.run(["stop", id])));
    for (const { exitCode, stderr, stdout } of results) {
      expect(stderr).toBe("");
      expect([exitCode, stdout.toString()]).toEqual([0, expect.stringContaining("State: stopped\n")]);
    }
  });

  test("are the same for callers that start it at the same time, of which one does", async () => {
    const results = await Promise.all([1, 2, 3].map(() => bench.run(["start", id])));
    expect(results.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(Array(3).fill([0, ""]));
    expect(await bench.sh(id, "cat a.txt")).toBe("one\n");
  });

  test("say what becomes of a command whose workspace is deleted, and nothing is left", async () => {
    const child = bench.start(["exec", id, "--timeout-seconds", "600", "--", "sh", "-c", "echo begun; sleep 7091"]);
    const command = resultOf(child);
    if (child.stdout) await once(child.stdout, "data");
    expect(await said("delete", id)).toBe(`Deleted workspace: ${id}\n`);
    const { stderr, exitCode } = await command;
    expect(stderr).toMatch(
      /^\[error\] (the command was cut off: the workspace was deleted|the operation may have happened)/,
    );
    expect(exitCode).toBe(125);
    expect(await bench.leftovers()).toEqual([]);
    expect(await bench.processes()).toEqual([]);
  });
});
