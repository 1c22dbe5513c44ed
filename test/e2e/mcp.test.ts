import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eras, type McpOptions, McpSession } from "../helpers/mcp.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const script =
  '#!/bin/sh\ntest "$(cat answer.txt)" = 42 || { echo "FAIL: answer is $(cat answer.txt)" >&2; exit 1; }\n';
const fix = "--- a/answer.txt\n+++ b/answer.txt\n@@ -1 +1 @@\n-41\n+42\n";

describeWithVm("pyro mcp serve", () => {
  let bench: Workbench;
  let project: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    project = bench.hostPath("a project");
    await mkdir(join(project, "node_modules"), { recursive: true });
    await writeFile(join(project, "test.sh"), script, { mode: 0o755 });
    await writeFile(join(project, "answer.txt"), "40\n");
    await writeFile(join(project, ".gitignore"), "node_modules\n");
    const git = (...args: string[]) => execFileSync("git", ["-C", project, ...args]);
    git("init", "-q");
    git("add", "-A");
    git("-c", "user.name=tester", "-c", "user.email=tester@example.com", "commit", "-q", "-m", "as it was");
    await writeFile(join(project, "answer.txt"), "41\n");
    await writeFile(join(project, "node_modules/ignored"), "");
    await writeFile(join(project, "untracked"), "");
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const open = (options: McpOptions = {}) =>
    McpSession.open({ cwd: project, args: ["--mode", "repro-fix"], ...options, env: { ...bench.env, ...options.env } });

  describe.each(eras)("to a client of the %s era", (era) => {
    test("takes a bug from its reproduction to its fix", async () => {
      await using session = await open({ era });
      const { tools } = await session.client.listTools();
      expect(tools.find(({ name }) => name === "workspace_create")?.description).toContain(project);

      const created = await session.ok("workspace_create");
      const workspace_id = created.workspace_id;
      expect(created.workspace_seed).toMatchObject({
        origin_kind: "project_path",
        origin_ref: project,
        entry_count: 3,
      });
      const run = () => session.call("workspace_exec", { workspace_id, command: "./test.sh" });
      const failed = await run();
      expect(failed.isError).toBe(false);
      expect(failed.structured).toMatchObject({ exit_code: 1, stderr: "FAIL: answer is 41\n", running: false });
      expect(failed.text).toContain("FAIL: answer is 41");
      expect(failed.text).toContain("exit code 1");

      expect(await session.ok("workspace_file_read", { workspace_id, path: "answer.txt" })).toMatchObject({
        content: "41\n",
      });
      expect(await session.ok("workspace_patch_apply", { workspace_id, patch: fix })).toMatchObject({ changed: true });
      expect((await run()).structured).toMatchObject({ exit_code: 0 });
      const diff = await session.call("workspace_diff", { workspace_id });
      expect(diff.structured.patch).toContain("-41\n+42\n");
      expect(diff.text).toContain("-41\n+42\n");

      const output_path = bench.hostPath(`answer-${era}.txt`);
      await session.ok("workspace_export", { workspace_id, path: "answer.txt", output_path });
      expect(readFileSync(output_path, "utf8")).toBe("42\n");
      expect((await session.call("workspace_summary", { workspace_id })).text).toContain("`/workspace/answer.txt`");
      for (const [name, expected] of [
        ["summary", "Workspace review: "],
        ["diff", "+42"],
        ["logs", "FAIL: answer is 41"],
      ]) {
        const { contents } = await session.client.readResource({ uri: `pyro://workspaces/${workspace_id}/${name}` });
        expect((contents[0] as { text: string }).text, name).toContain(expected);
      }
      expect((await session.client.listResources()).resources.map(({ uri }) => uri)).toContain(
        `pyro://workspaces/${workspace_id}/diff`,
      );

      expect(await session.ok("workspace_reset", { workspace_id })).toMatchObject({ reset_count: 1, command_count: 0 });
      expect((await run()).structured).toMatchObject({ exit_code: 1 });
      expect(await session.ok("workspace_delete", { workspace_id })).toEqual({ workspace_id, deleted: true });
      expect((await session.ok("workspace_list")).count).toBe(0);
      expect(readFileSync(join(project, "answer.txt"), "utf8")).toBe("41\n");
    });

    test("asks a client that was started elsewhere what its user has opened", async () => {
      const roots = [pathToFileURL(bench.hostPath()).href, pathToFileURL(project).href];
      await using session = await open({ era, cwd: bench.hostPath(), roots });
      const created = await session.ok("workspace_create");
      expect(created.workspace_seed).toMatchObject({ origin_kind: "project_path", origin_ref: project });
      await session.ok("workspace_delete", { workspace_id: created.workspace_id });
    });

    test("begins empty without a project and without a client to ask", async () => {
      for (const options of [{ cwd: bench.hostPath() }, { args: ["--no-project-source"] }]) {
        await using session = await open({ era, ...options });
        const created = await session.ok("workspace_create");
        expect(created.workspace_seed).toMatchObject({ mode: "empty", origin_kind: "empty" });
        await session.ok("workspace_delete", { workspace_id: created.workspace_id });
      }
    });
  });

  describe("answers what is odd shortly and truly:", () => {
    /** Its model sees the structured content */
    let session: McpSession;
    /** Its model sees the text */
    let reader: McpSession;
    let workspace_id: string;
    beforeAll(async () => {
      session = await open({ clientName: "codex-mcp-client" });
      reader = await open({ clientName: "opencode" });
      workspace_id = (await session.ok("workspace_create")).workspace_id;
    });
    afterAll(async () => {
      await session[Symbol.asyncDispose]();
      await reader[Symbol.asyncDispose]();
    });
    const exec = (command: string) => session.call("workspace_exec", { workspace_id, command });
    const textOf = async (name: string, args: object) => (await reader.call(name, { workspace_id, ...args })).text;

    test("200 KB of output", async () => {
      const command =
        'i=0; while [ $i -lt 4000 ]; do echo "test $i: a line of fifty characters, all told"; i=$((i + 1)); done; exit 3';
      const { structured } = await exec(command);
      const text = await textOf("workspace_exec", { command });
      for (const shown of [structured.stdout, text]) {
        expect(shown).toContain("test 0: ");
        expect(shown).toContain("test 3999: ");
        expect(shown).toMatch(/left out/);
        expect(shown).toContain("workspace_logs");
      }
      expect(structured).toMatchObject({ exit_code: 3, truncated: true });
      expect(JSON.stringify(structured).length).toBeLessThan(10_000);
      expect(text.length).toBeLessThan(40_000);
      const rest = await session.ok("workspace_logs", {
        workspace_id,
        sequence: structured.sequence,
        stream: "stdout",
        offset: 100_000,
        max_bytes: 4_000,
      });
      expect(rest.entries[0].stdout).toMatch(/^.*\ntest 2\d\d\d: /);
    });

    test("60 KB of progress as what it leaves, once", async () => {
      const command = "echo Collecting; seq 5000 | sed 's/^/\\r\\x1b[2K\\x1b[32m  kB /' | tr -d '\\n'; echo; echo Done";
      const left = "Collecting\n  kB 5000\nDone\n";
      const { structured, text } = await exec(command);
      expect(structured).toMatchObject({ stdout: left, truncated: false });
      expect(structured.stdout_bytes).toBeGreaterThan(60_000);
      expect(text.length).toBeLessThan(200);
      expect(await textOf("workspace_exec", { command })).toContain(left);
      const { sequence } = structured;
      const whole: Json = await session.ok("workspace_logs", { workspace_id, sequence });
      expect(whole.entries[0].stdout).toBe(left);
      const raw: Json = await session.ok("workspace_logs", { workspace_id, sequence, offset: 11, max_bytes: 40 });
      expect(raw.entries[0].stdout.split("\r")).toEqual(expect.arrayContaining(["\u001b[2K\u001b[32m  kB 1"]));
    });

    test("a history as the last lines of each command", async () => {
      await exec("seq 100");
      const { count, entries }: Json = await session.ok("workspace_logs", { workspace_id });
      const last = entries.at(-1);
      expect(last.stdout).toBe(`[… sequence=${last.sequence} shows what is before …]\n96\n97\n98\n99\n100\n`);
      expect(last).toMatchObject({ sequence: count, truncated: true, stdout_bytes: 292 });
      expect(await textOf("workspace_logs", {})).toContain("\n99\n100\n");
    });

    test("a patch without what the project ignores, which applies to the checkout", async () => {
      await exec("mkdir node_modules && echo x > node_modules/ignored && echo y > fresh.txt && echo 42 > answer.txt");
      const structured: Json = await session.ok("workspace_diff", { workspace_id });
      const text = await textOf("workspace_diff", {});
      expect(structured.folded).toEqual([{ path: "/workspace/node_modules/ignored", count: 1, reason: "ignored" }]);
      expect(structured.ignored_count).toBe(1);
      expect(structured.patch).not.toContain("node_modules");
      expect(text).toContain("node_modules/ignored (1 new, ignored)");
      execFileSync("git", ["-C", project, "apply", "--check", "-"], { input: structured.patch });
      await exec("rm -r node_modules fresh.txt; echo 41 > answer.txt");
    });

    test("a command that takes longer than it is waited for goes on, unless it is to be killed", async () => {
      const waited: Json = await session.ok("workspace_exec", {
        workspace_id,
        command: "sleep 4; echo $WORD; pwd",
        cwd: "/tmp",
        env: { WORD: "done" },
        timeout_seconds: "1",
      });
      expect(waited).toMatchObject({ running: true, exit_code: null });
      const { sequence } = waited;
      const ended: Json = await session.ok("workspace_logs", { workspace_id, sequence, wait_seconds: 60 });
      expect(ended.entries[0]).toMatchObject({ exit_code: 0, stdout: "done\n/tmp\n", cwd: "/tmp" });
      const killed: Json = await session.ok("workspace_exec", {
        workspace_id,
        command: "sleep 60",
        kill_after_seconds: 1,
      });
      expect(killed).toMatchObject({ exit_code: 124, timed_out: true });
    });

    test("a command that is long itself", async () => {
      await exec(`true # ${"\u0001x".repeat(20_000)}`);
      for (const name of ["workspace_status", "workspace_summary", "workspace_logs", "workspace_list"]) {
        const { structured, text } = await session.call(name, name === "workspace_list" ? {} : { workspace_id });
        expect(Math.max(JSON.stringify(structured).length, text.length), name).toBeLessThan(10_000);
      }
      const tooLong = await exec(`true # ${"x".repeat(200_000)}`);
      expect(tooLong.structured.advice).toContain("workspace_file_write");
    });

    test("every page of a long output, to the byte", async () => {
      const { structured } = await exec("seq -f 'z%07g \u00e9' 1 20000 | iconv -f utf-8 -t latin1");
      let [offset, said]: [number | null, string] = [0, ""];
      while (offset !== null) {
        const args = { workspace_id, sequence: structured.sequence, stream: "stdout", offset, max_bytes: 65_536 };
        const entry: Json = (await session.ok("workspace_logs", args)).entries[0];
        said += entry.stdout;
        offset = entry.stdout_next_offset;
      }
      const numbers = Array.from({ length: 20_000 }, (_, index) => `z${String(index + 1).padStart(7, "0")} \ufffd\n`);
      expect(said).toBe(numbers.join(""));
    });

    test("output that is not text", async () => {
      const { structured } = await exec("head -c 3000 /dev/urandom; printf 'caf\\351\\n' >&2");
      expect(structured.stdout).toContain("not text");
      expect(structured.stderr).toBe("caf\\xe9\n");
      expect(JSON.stringify(structured).length).toBeLessThan(3_000);
    });

    test("a binary file", async () => {
      await exec("head -c 3000 /dev/urandom > /workspace/blob");
      const { isError, text } = await session.call("workspace_file_read", { workspace_id, path: "blob" });
      expect(isError).toBe(true);
      expect(text).toMatch(/not UTF-8 text/);
      expect(text.length).toBeLessThan(500);
    });

    test("a long file, which can be read on", async () => {
      await exec("seq 20000 > /workspace/numbers");
      const first: Json = await session.ok("workspace_file_read", { workspace_id, path: "numbers" });
      expect(JSON.stringify(first).length).toBeLessThan(10_000);
      expect(first.truncated).toBe(true);
      const next: Json = await session.ok("workspace_file_read", {
        workspace_id,
        path: "numbers",
        offset: first.next_offset,
      });
      const numbers = `${first.content}${next.content}`.trim().split("\n").slice(0, -1).map(Number);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      expect(numbers.length).toBeGreaterThan(2_000);
    });

    test("a large diff and a large listing", async () => {
      await exec("echo 42 > answer.txt; mkdir many && cd many && seq 6000 | split -l 10 -a 3 - file-");
      const diff = await session.call("workspace_diff", { workspace_id });
      expect(diff.structured.entries[0]).toMatchObject({ path: "/workspace/answer.txt", in_patch: true });
      for (const patch of [diff.structured.patch, await textOf("workspace_diff", {})])
        expect(patch).toContain("-41\n+42\n");
      const structured: Json = await session.ok("workspace_summary", { workspace_id });
      const text = await textOf("workspace_summary", {});
      expect(structured.changes.entries[0].path).toBe("/workspace/answer.txt");
      expect(text).toContain("modified `answer.txt`");
      expect(JSON.stringify(diff.structured).length).toBeLessThan(10_000);
      expect(diff.text.length).toBeLessThan(10_000);
      expect(diff.structured).toMatchObject({ patch_truncated: true, entries_truncated: true });
      expect(diff.structured.summary.added).toBeGreaterThan(600);
      const one: Json = await session.ok("workspace_diff", { workspace_id, paths: ["many/file-abc"] });
      expect(one).toMatchObject({ patch_truncated: false, entries_truncated: false, summary: { total: 1 } });
      expect(one.patch).toContain("+++ b/many/file-abc");
      const list = await session.call("workspace_file_list", { workspace_id, path: "many" });
      expect(list.structured.truncated).toBe(true);
      expect(JSON.stringify(list.structured).length).toBeLessThan(10_000);
    });

    test.each<[string, string, object, RegExp]>([
      ["a patch that does not apply", "workspace_patch_apply", { patch: fix.replace("-41", "-39") }, /answer\.txt/],
      ["a patch that is none", "workspace_patch_apply", { patch: "change it" }, /patch/],
      ["a path outside", "workspace_file_read", { path: "/etc/passwd" }, /\/workspace/],
      ["an export over something", "workspace_export", { path: ".", output_path: "/tmp" }, /\/tmp/],
      ["a reset to nothing", "workspace_reset", { snapshot: "dinner" }, /dinner/],
      ["a command that was never run", "workspace_logs", { sequence: 4711 }, /4711/],
    ])("%s", async (_what, name, args, reason) => {
      const { isError, text } = await session.call(name, { workspace_id, ...args });
      expect(isError).toBe(true);
      expect(text).toMatch(reason);
      expect(text).not.toMatch(/[Rr]un `pyro workspace (?!snapshot)/);
      expect(text.length).toBeLessThan(700);
    });
  });
});
