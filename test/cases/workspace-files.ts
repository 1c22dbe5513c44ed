import { lstat, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listTree } from "../helpers/host-tree.ts";
import type { Json } from "../helpers/surfaces.ts";
import type { Workbench } from "../helpers/workbench.ts";
import type { WorkspaceUnderTest } from "./workspace.ts";

/** What can be done with the files of a workspace, from every surface to the agent. */
export function describeFiles(makeWorkspace: () => Promise<WorkspaceUnderTest>): void {
  let workspace: WorkspaceUnderTest;
  let bench: Workbench;
  let id: string;
  beforeAll(async () => {
    workspace = await makeWorkspace();
    ({ bench, workspaceId: id } = workspace);
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const call = (operation: string, input: object): Promise<Json> =>
    bench.sdk.call(`workspace.${operation}`, { workspaceId: id, ...input });
  const refusal = (operation: string, input: object) =>
    bench.sdk.refusal(`workspace.${operation}`, { workspaceId: id, ...input });
  const everything = () =>
    bench.sh(id, "find . -printf '%p %y %m %l\\n' | LC_ALL=C sort; find . -type f -exec cksum {} + | LC_ALL=C sort");

  test("are edited where a text is exactly once, and keep their mode", async () => {
    await bench.sh(
      id,
      "printf 'a = 1\\nb = 1\\n' > edit.py; chmod 750 edit.py; ln -s edit.py edit-link; printf '\\351' > bytes",
    );
    const edited = await call("file.edit", { path: "edit.py", oldText: "a = 1", newText: "a = 2" });
    expect(edited).toMatchObject({ path: "/workspace/edit.py", replaced_count: 1, lines: [1], bytes_written: 12 });
    expect(await bench.sh(id, "cat edit.py; stat -c %a edit.py")).toBe("a = 2\nb = 1\n750\n");
    const edit = { path: "edit.py", oldText: " = ", newText: "=" };
    expect(await refusal("file.edit", edit)).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("2 times, at lines 1, 2"),
    });
    expect(await call("file.edit", { ...edit, replaceAll: true })).toMatchObject({ replaced_count: 2 });
    for (const [path, code] of [
      ["edit-link", "failed_precondition"],
      ["bytes", "failed_precondition"],
      ["absent", "not_found"],
      [".", "invalid_argument"],
    ]) {
      expect(await refusal("file.edit", { ...edit, path }), path).toMatchObject({ code });
    }
    await bench.sh(id, "rm edit.py edit-link bytes");
  });

  test("that a command does not let others read are missed in an export, which says so", async () => {
    const keeps = `$SIG{IO} = "IGNORE"; open(F, "+<", "leased/one") or die; fcntl(F, 1024, 1) or die; sleep 300`;
    await bench.sh(
      id,
      `mkdir leased; echo one > leased/one; echo two > leased/two
       setsid perl -e '${keeps}' > /dev/null 2>&1 & until grep -q LEASE /proc/locks; do sleep 0.1; done`,
    );
    const outputPath = bench.hostPath("leased");
    const { entry_count: count, skipped_files: skipped } = await call("export", { path: "leased", outputPath });
    expect(count).toBe(2);
    expect(skipped).toEqual([
      { path: "/workspace/leased", reason: "one file in it could not be read, or vanished meanwhile" },
    ]);
    await bench.sh(id, "pkill perl || true; rm -r leased");
  });

  test("are listed as they are, one folder or all below it", async () => {
    await bench.sh(
      id,
      `mkdir -p list/deep; cd list; printf abc > f; chmod 640 f; ln -s ../nowhere l; mkfifo p; : > deep/e; chmod 755 deep/e
       printf x > "$(printf 'b\\351')"`,
    );
    const { entries, truncated } = await call("file.list", { path: "list" });
    expect(truncated).toBe(false);
    const file = { artifact_type: "file", link_target: null };
    expect(entries).toEqual([
      { path: '"/workspace/list/b\\351"', ...file, size_bytes: 1, mode: "0644" },
      { path: "/workspace/list/deep", artifact_type: "directory", size_bytes: null, mode: "0755", link_target: null },
      { path: "/workspace/list/f", ...file, size_bytes: 3, mode: "0640" },
      {
        path: "/workspace/list/l",
        artifact_type: "symlink",
        size_bytes: null,
        mode: "0777",
        link_target: "../nowhere",
      },
      { path: "/workspace/list/p", artifact_type: "other", size_bytes: null, mode: "0644", link_target: null },
    ]);
    const all = (await call("file.list", { path: "/workspace/list", recursive: true })).entries;
    expect(all.map(({ path }: Json) => path)).toContain("/workspace/list/deep/e");
    expect((await call("file.list", { path: "list/f" })).entries).toMatchObject([{ path: "/workspace/list/f" }]);
    await bench.sh(id, "rm -r list");
  });

  test("are written with the folders that they need, and read back exactly", async () => {
    const text = "naïve 文 🙂\r\n\ttab\n\nno end";
    expect(await call("file.write", { path: "a/b/c.txt", text })).toMatchObject({ path: "/workspace/a/b/c.txt" });
    expect(await call("file.read", { path: "a/b/c.txt" })).toMatchObject({ content: text, truncated: false });
    const printed = await bench.run(["file", "read", id, "a/b/c.txt", "--content-only"]);
    expect(printed.stdout.equals(Buffer.from(text))).toBe(true);
    expect(printed.stderr).toBe("");
    await writeFile(bench.hostPath("text"), text);
    await bench.output(["file", "write", id, "from-file", "--text-file", bench.hostPath("text")]);
    await bench.output(["file", "write", id, "from-stdin", "--text-file", "-"], { stdin: text });
    expect(await bench.sh(id, "cmp a/b/c.txt from-file && cmp a/b/c.txt from-stdin && cat from-stdin")).toBe(text);
  });

  test("keep their permission bits when they are written over", async () => {
    await bench.sh(id, "echo old > tool; chmod 750 tool");
    await call("file.write", { path: "tool", text: "new\n" });
    expect(await bench.sh(id, "stat -c %a tool; cat tool")).toBe("750\nnew\n");
  });

  test("are read up to a limit, which never cuts a character in two", async () => {
    await call("file.write", { path: "long", text: "ab文文" });
    const read = (maxBytes: number) => call("file.read", { path: "long", maxBytes });
    expect(await read(8)).toMatchObject({ content: "ab文文", truncated: false, size_bytes: 8 });
    expect(await read(7)).toMatchObject({ content: "ab文", truncated: true, size_bytes: 8 });
    expect(await read(2)).toMatchObject({ content: "ab", truncated: true });
  });

  test("are read page by page, in whole characters", async () => {
    const text = "ab文字 🙂\n".repeat(10_000);
    await call("file.write", { path: "pages", text });
    let content = "";
    for (let offset: number | null = 0; offset !== null; ) {
      const page: Json = await call("file.read", { path: "pages", offset });
      expect(page).toMatchObject({ offset, size_bytes: Buffer.byteLength(text), truncated: page.next_offset !== null });
      expect(Buffer.byteLength(page.content)).toBeLessThanOrEqual(65_536);
      content += page.content;
      offset = page.next_offset;
    }
    expect(content).toBe(text);
    const read = (offset: number, maxBytes: number) => call("file.read", { path: "pages", offset, maxBytes });
    // Inside of a character that is the beginning of the character, and of one there is always all.
    expect(await read(3, 1)).toMatchObject({ offset: 2, content: "文", next_offset: 5 });
    expect(await read(170_000, 9)).toMatchObject({ content: "", offset: 170_000, next_offset: null, truncated: false });
    expect(await read(139_999, 9)).toMatchObject({ content: "\n", offset: 139_999, next_offset: null });
    const printed = await bench.run(["file", "read", id, "pages", "--offset", "14", "--max-bytes", "14"]);
    expect(printed.stdout.toString()).toBe("ab文字 🙂\n");
    expect(printed.stderr).toContain("truncated=true execution_mode=guest next_offset=28\n");
  });

  test("that are large, or have holes, are read at their end without what comes before", async () => {
    await bench.sh(
      id,
      "yes line | head -c 100000000 > large; echo end >> large; truncate -s 8G large-hole; echo end >> large-hole",
    );
    for (const [path, offset, content] of [
      ["large", 99_999_995, "line\nend\n"],
      ["large-hole", 8 * 1024 ** 3, "end\n"],
    ] as const) {
      // All of it would take minutes.
      expect(await call("file.read", { path, offset })).toMatchObject({ content, offset, next_offset: null });
    }
    await bench.sh(id, "rm large large-hole");
  });

  test.each([
    ["bytes that are no text", "printf 'a\\377b' > odd", "odd", "failed_precondition", /it is not UTF-8 text/],
    ["a file with a NUL", "printf 'a\\000b' > odd", "odd", "failed_precondition", /it is not UTF-8 text/],
    ["a folder", "mkdir -p folder", "folder", "failed_precondition", /it is a directory/],
    ["a pipe", "rm -f pipe; mkfifo pipe", "pipe", "failed_precondition", /it is no regular file/],
    [
      "a link that leads out of it",
      "ln -sf /etc/passwd out",
      "out",
      "failed_precondition",
      /leads out of the workspace/,
    ],
    ["a link to itself", "ln -sf loop loop", "loop", "failed_precondition", /leads out of the workspace or nowhere/],
    ["what is not there", "true", "absent", "not_found", /there is no '\/workspace\/absent'/],
    ["what is below a file", "echo > plain", "plain/x", "not_found", /there is no '\/workspace\/plain\/x'/],
  ])("refuse to be read when they are %s", async (_what, script, path, code, message) => {
    await bench.sh(id, script);
    const refused = await refusal("file.read", { path });
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(refused.hint).not.toBeNull();
  });

  test("are not written through a link that leads out of the workspace", async () => {
    await bench.sh(id, "mkdir -p /root/outside; echo kept > /root/outside/file; ln -sfn /root/outside way-out");
    await refusal("file.write", { path: "way-out/file", text: "x" });
    await bench.sh(id, "ln -sf /root/outside/file link");
    await call("file.write", { path: "link", text: "x" }).catch(() => {});
    expect(await bench.sh(id, "cat /root/outside/file; ls /root/outside; rm -f link way-out")).toBe("kept\nfile\n");
  });

  test.each([
    ["to-file", "ln -sfn plain to-file", "plain"],
    ["dangling", "ln -sfn /nowhere dangling", "/nowhere"],
    ["to-bytes", "ln -sfn $(printf 'caf\\351') to-bytes", '"caf\\351"'],
  ])("are not written in place of the link %s", async (path, script, target) => {
    await bench.sh(id, script);
    expect(await refusal("file.write", { path, text: "x" })).toMatchObject({
      code: "failed_precondition",
      message: `cannot write '/workspace/${path}': it is a symbolic link to '${target}'`,
      hint: "Write to what it leads to, or remove the link first.",
    });
    expect(await bench.sh(id, `readlink ${path} > /dev/null && rm ${path} && echo link`)).toBe("link\n");
  });

  test("stay as they are when one hunk of a patch does not fit", async () => {
    await bench.sh(id, "seq 20 > numbers; echo gone > doomed; echo old > other");
    const before = await everything();
    const patch = [
      "--- a/numbers\n+++ b/numbers\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n@@ -18,3 +18,3 @@\n 18\n-nineteen\n+19th\n 20\n",
      "--- a/doomed\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n",
      "--- /dev/null\n+++ b/new/file\n@@ -0,0 +1 @@\n+new\n",
    ];
    const refused = await refusal("patch.apply", { patch: patch.toReversed().join("") });
    expect(refused).toMatchObject({ code: "failed_precondition", message: expect.stringContaining("numbers") });
    expect(await everything()).toBe(before);
    const applied = await call("patch.apply", { patch: patch.slice(1).join("") });
    expect(applied).toMatchObject({ summary: { total: 2, added: 1, modified: 0, deleted: 1 } });
    expect(await bench.sh(id, "cat new/file; ls doomed 2>&1 || true")).toMatch(/^new\n.*No such file/);
  });

  test("take a patch as models write it, which says what was adjusted", async () => {
    await bench.sh(
      id,
      "mkdir -p model/dir; printf 'a\\r\\nb\\r\\n' > model/crlf; echo 1 > model/dir/x; echo x > model/doomed",
    );
    const patch = [
      "*** Begin Patch\n*** Update File: /workspace/model/crlf\n@@\n-b\n+c\n*** Delete File: model/doomed\n*** End Patch\n",
      "--- a/model/dir/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n--- /dev/null\n+++ b/model/dir\n@@ -0,0 +1,3 @@\n+2\n",
    ].join("");
    expect(await call("patch.apply", { patch })).toMatchObject({
      summary: { total: 4, added: 1, modified: 1, deleted: 2 },
      adjusted: [
        "model/crlf: '/workspace/model/crlf' read as 'model/crlf'",
        "model/crlf: hunk 1 (@@) applied at line 2",
        "model/crlf: hunk 1 (@@) applied with CRLF line ends, as the file has",
        "model/dir: hunk 1 (@@ -0,0 +1,3 @@) applied at line 1, its lines counted anew",
      ],
    });
    expect(await bench.sh(id, "cat -A model/crlf model/dir; ls model; rm -r model")).toBe(
      "a^M$\nc^M$\n2$\ncrlf\ndir\n",
    );
  });

  test("take back the patch of their diff, with bytes, links and directories that changed places", async () => {
    const git = "export GIT_DIR=/root/swap.git GIT_WORK_TREE=/workspace; git";
    await bench.sh(
      id,
      `mkdir -p swap/d/deep swap/e; printf '\\000\\001' > swap/bytes; echo 1 > swap/link; echo 2 > swap/d/deep/x; echo 3 > swap/file
       ln -s gone swap/e/l; head -c 3000 /dev/zero > swap/zeros
       ${git} init -q && git add -A -f swap && git -c user.name=t -c user.email=t@t commit -qm before`,
    );
    const before = await everything();
    await bench.sh(
      id,
      `cd swap; printf '\\000\\002' > bytes; ln -sf ../target link; rm -r d; echo was-dir > d; rm file; mkdir file; echo below > file/y
       rm -r e; printf 'x\\000' > e; chmod 755 e; printf '\\377' >> zeros`,
    );
    const after = await everything();
    const patch = await bench.sh(id, `${git} add -A -f swap && git diff --cached --binary --no-renames HEAD`);
    await bench.sh(id, `${git} reset -q --hard`);
    expect(await everything()).toBe(before);
    // Patches do not know empty directories.
    await bench.sh(id, "mkdir -p swap/d/deep/empty");
    expect(await call("patch.apply", { patch })).toMatchObject({ adjusted: [] });
    expect(await everything()).toBe(after);
    await bench.sh(id, "rm -r swap /root/swap.git");
  });

  test.each([
    [
      "a way out by a link of its own",
      `${linkPatch("way", "..")}--- /dev/null\n+++ b/way/x\n@@ -0,0 +1 @@\n+x\n`,
      "failed_precondition",
    ],
    ["a file that exists", "--- /dev/null\n+++ b/other\n@@ -0,0 +1 @@\n+x\n", "already_exists"],
    ["a file that does not", "--- a/absent\n+++ b/absent\n@@ -1 +1 @@\n-x\n+y\n", "not_found"],
    ["a path that leads out", "--- /dev/null\n+++ b/../../etc/x\n@@ -0,0 +1 @@\n+x\n", "invalid_argument"],
    ["nothing at all", "this is no patch\n", "invalid_argument"],
    ["half a hunk", "--- a/other\n+++ b/other\n@@ -1,9 +1,9 @@\n old\n", "invalid_argument"],
  ])("refuse a patch for %s", async (_what, patch, code) => {
    const before = await everything();
    const refused = await refusal("patch.apply", { patch });
    expect(refused.code).toBe(code);
    expect(refused.message).toMatch(/^cannot |patch/);
    expect(await everything()).toBe(before);
  });

  test("are exported as they are: a file, a folder, a link as a link", async () => {
    await bench.sh(
      id,
      "rm -rf * && mkdir -p d/e && echo x > d/x && chmod 754 d/x && ln -s /etc/passwd d/l && ln d/x d/hard",
    );
    await call("export", { path: "d", outputPath: bench.hostPath("d") });
    expect((await listTree(bench.hostPath("d"))).map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      ...['"e" directory 755', '"hard" file 754', '"l" link /etc/passwd', '"x" file 754'],
    ]);
    expect((await lstat(bench.hostPath("d", "x"))).ino).toBe((await lstat(bench.hostPath("d", "hard"))).ino);
    await call("export", { path: "d/x", outputPath: bench.hostPath("x") });
    expect(await readFile(bench.hostPath("x"), "utf8")).toBe("x\n");
    expect(await call("export", { path: "d/l", outputPath: bench.hostPath("l") })).toMatchObject({
      artifact_type: "symlink",
    });
    expect(await readlink(bench.hostPath("l"))).toBe("/etc/passwd");
  });

  test("are not exported over anything, nor through a link", async () => {
    await mkdir(bench.hostPath("target"));
    await writeFile(bench.hostPath("file"), "kept");
    await symlink(bench.hostPath("target"), bench.hostPath("to-folder"));
    await symlink(bench.hostPath("absent"), bench.hostPath("dangling"));
    for (const name of ["target", "file", "to-folder", "dangling"]) {
      for (const path of ["d", "d/x"]) {
        const refused = await refusal("export", { path, outputPath: bench.hostPath(name) });
        expect(refused).toMatchObject({
          code: "already_exists",
          message: expect.stringContaining("it exists already"),
        });
      }
    }
    expect(await readFile(bench.hostPath("file"), "utf8")).toBe("kept");
    expect(await listTree(bench.hostPath("target"))).toEqual([]);
    await expect(lstat(bench.hostPath("absent"))).rejects.toThrow(/ENOENT/);
    expect(await refusal("export", { path: "absent", outputPath: bench.hostPath("new") })).toMatchObject({
      code: "not_found",
    });
    await expect(lstat(bench.hostPath("new"))).rejects.toThrow(/ENOENT/);
  });

  test("take no archive that would write elsewhere", async () => {
    await mkdir(bench.hostPath("evil"), { recursive: true });
    const before = await everything();
    const tar = (name: string, ...args: string[]) => bench.tar(bench.hostPath("evil"), bench.hostPath(name), args);
    await writeFile(bench.hostPath("evil", "file"), "x");
    tar("dots.tar", "--transform", "s,file,../../escaped,", "-P", "file");
    tar("absolute.tar", "--transform", "s,file,/etc/escaped,", "-P", "file");
    await symlink("/root", bench.hostPath("evil", "dir"));
    tar("link.tar", "dir");
    await rm(bench.hostPath("evil", "dir"));
    await mkdir(bench.hostPath("evil", "dir"));
    await writeFile(bench.hostPath("evil", "dir", "inside"), "x");
    tar("link.tar", "-r", "dir/inside");
    await writeFile(bench.hostPath("broken.tar.gz"), "this is no archive");
    for (const name of ["dots.tar", "absolute.tar", "link.tar", "broken.tar.gz"]) {
      const refused = await refusal("sync.push", { sourcePath: bench.hostPath(name) });
      expect(refused, name).toMatchObject({ code: "invalid_argument" });
      expect(await everything()).toBe(before);
    }
  });
}

/** A patch that adds a link. */
function linkPatch(name: string, target: string): string {
  const title = `diff --git a/${name} b/${name}\nnew file mode 120000\n--- /dev/null\n+++ b/${name}\n`;
  return `${title}@@ -0,0 +1 @@\n+${target}\n\\ No newline at end of file\n`;
}
