import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Answer, ScriptedModel } from "./model.ts";

/** What a task can use on the host. */
export interface Desk {
  readonly model: ScriptedModel;
  /** A directory of its own for what is handed over */
  readonly outDir: string;
  readonly dependenciesDir: string;
}

export interface Task {
  readonly name: string;
  /** Whether the model begins in a way that could be better, as models do */
  readonly isClumsy: boolean;
  /** Calls that a careful engineer would make */
  readonly fewestCalls: number;
  /** Throws if the task cannot be done. */
  run(desk: Desk): Promise<void>;
}

const bug = "    return sum(items) - 1\n";
const fix = "    return sum(items)\n";
const testCommand = "python3 -m unittest discover -s tests";
const hunk = ` def total(items):\n-${bug}+${fix} \n`;
const rightPatch = `--- a/src/app.py\n+++ b/src/app.py\n@@ -11,3 +11,3 @@\n${hunk}`;

export const tasks: readonly Task[] = [
  task("look around", 3, async ({ model }) => {
    const id = await create(model);
    await model.must("workspace_file_list", { workspace_id: id, recursive: true });
    mustLearn(model, await model.must("workspace_file_read", { workspace_id: id, path: "README.md" }), "unittest");
  }),
  task("fix a failing test and hand over the patch", 7, async ({ model, outDir }) => {
    const id = await create(model);
    mustLearn(model, await exec(model, id, testCommand), "AssertionError");
    mustLearn(model, await model.must("workspace_file_read", { workspace_id: id, path: "src/app.py" }), "def total");
    await edit(model, id);
    mustLearn(model, await exec(model, id, testCommand), "OK");
    await handOver(model, id, join(outDir, "fix.patch"));
    await model.must("workspace_delete", { workspace_id: id });
  }),
  task("see one edit among 400 new files", 3, async ({ model }) => {
    const id = await create(model);
    await exec(model, id, `mkdir assets; for i in $(seq 400); do echo $i > assets/$i; done; ${sedFix}`);
    await seeEdit(model, id);
  }),
  task("see one edit among 400 ignored files", 3, async ({ model }) => {
    const id = await create(model);
    await exec(model, id, `mkdir dist; for i in $(seq 400); do echo $i > dist/$i; done; ${sedFix}`);
    await seeEdit(model, id);
  }),
  task("install with a progress bar", 2, async ({ model }) => {
    const id = await create(model);
    const bar = `for p in range(60):\n  for s in range(25): sys.stdout.write(f"\\r   {'━' * s:<25} {s}.0/25.0 MB 3.1 MB/s eta 0:00:0{s % 10}")\n  print(f"\\rDownloading package-{p}.whl")\nprint("Successfully installed 60 packages")`;
    const answer = await exec(model, id, `python3 -c 'import sys\n${bar.replaceAll("'", `'"'"'`)}'`);
    mustLearn(model, answer, "Successfully installed");
  }),
  task("find the failure at the end of a long test run", 2, async ({ model }) => {
    const id = await create(model);
    const script = `for i in $(seq 3000); do echo "test_case_$i ... ok"; done; echo "FAILED test_last: expected 6, got 5"; exit 1`;
    mustLearn(model, await exec(model, id, script), "FAILED test_last");
  }),
  task("read coloured output", 2, async ({ model }) => {
    const id = await create(model);
    const script = String.raw`for i in $(seq 300); do printf '\033[32m✓\033[39m \033[2mtest %s\033[22m\033[33m 12\033[2mms\033[22m\033[39m\n' $i; done; printf '\033[31mfailed: 1\033[39m\n'`;
    mustLearn(model, await exec(model, id, script), "failed: 1");
  }),
  task("read a line beside a minified one", 2, async ({ model }) => {
    const id = await create(model);
    const script = `echo before; python3 -c 'print("var a=1;" * 20000)'; echo "size limit exceeded"`;
    mustLearn(model, await exec(model, id, script), "size limit exceeded");
  }),
  task("read text beside a few bytes that are no text", 2, async ({ model }) => {
    const id = await create(model);
    const script = String.raw`printf 'header \377\376\n'; for i in $(seq 50); do echo "record $i is fine"; done; echo 'checksum mismatch in record 51'`;
    const answer = await exec(model, id, script);
    if (model.learns(answer, "checksum mismatch")) return;
    mustLearn(model, await exec(model, id, `{ ${script}; } | tr -cd '[:print:]\\n'`), "checksum mismatch");
  }),
  task("look up what has been run", 8, async ({ model }) => {
    const id = await create(model);
    for (const number of [1, 2, 3, 4, 5]) await exec(model, id, `seq ${number}000; echo end of ${number}`);
    await exec(model, id, "seq 2000; echo the one that failed; exit 3");
    mustLearn(model, await model.must("workspace_logs", { workspace_id: id }), "the one that failed");
  }),
  task("begin again after a bad attempt", 4, async ({ model }) => {
    const id = await create(model);
    await exec(model, id, "rm -rf src");
    await model.must("workspace_reset", { workspace_id: id });
    mustLearn(model, await exec(model, id, "ls src"), "app.py");
  }),
  task("keep a state and return to it", 5, async ({ model }) => {
    const id = await create(model);
    await exec(model, id, sedFix);
    if (!model.offers("snapshot_create")) {
      const second = await create(model);
      await exec(model, second, sedFix);
      mustLearn(model, await exec(model, second, "cat src/app.py"), "return sum(items)");
      return;
    }
    await model.must("snapshot_create", { workspace_id: id, snapshot_name: "fixed" });
    await exec(model, id, "rm -rf src");
    await model.must("workspace_reset", { workspace_id: id, snapshot: "fixed" });
  }),
  task("use dependencies that are no part of the change", 5, async ({ model, dependenciesDir }) => {
    const id = await create(model);
    const push = { workspace_id: id, source_path: dependenciesDir, dest: "/workspace/vendor" };
    const isBaseline = model.offers("workspace_sync_push", "baseline");
    await model.must("workspace_sync_push", isBaseline ? { ...push, baseline: true } : push);
    mustLearn(model, await exec(model, id, "PYTHONPATH=vendor python3 -c 'import pkg7; print(pkg7.VERSION)'"), "7");
    await edit(model, id);
    await seeEdit(model, id);
  }),
  task("hand over a file that was built", 3, async ({ model, outDir }) => {
    const id = await create(model);
    await exec(model, id, "mkdir dist && tar cf dist/app.tar src");
    const outputPath = join(outDir, "app.tar");
    await model.must("workspace_export", { workspace_id: id, path: "dist/app.tar", output_path: outputPath });
    if (!existsSync(outputPath)) throw new Error("the export is missing");
  }),
  clumsy("send a patch with wrong counts", 2, async ({ model }) => {
    const id = await create(model);
    await patch(model, id, `--- a/src/app.py\n+++ b/src/app.py\n@@ -10,6 +10,7 @@\n${hunk}`);
  }),
  clumsy("send a patch in the format of apply_patch", 2, async ({ model }) => {
    const id = await create(model);
    await patch(
      model,
      id,
      `*** Begin Patch\n*** Update File: src/app.py\n@@ def total(items):\n-${bug}+${fix}*** End Patch\n`,
    );
  }),
  clumsy("patch a file with CRLF by its absolute path", 2, async ({ model }) => {
    const id = await create(model);
    const lf = "--- /workspace/windows.ini\n+++ /workspace/windows.ini\n@@ -1,2 +1,2 @@\n [a]\n-key=1\n+key=3\n";
    if (!(await model.call("workspace_patch_apply", { workspace_id: id, patch: lf })).isError) return;
    const relative = lf.replaceAll("/workspace/", "");
    if (!(await model.call("workspace_patch_apply", { workspace_id: id, patch: relative })).isError) return;
    const crlf = relative.replace("[a]\n", "[a]\r\n").replace("=1\n", "=1\r\n").replace("=3\n", "=3\r\n");
    await model.must("workspace_patch_apply", { workspace_id: id, patch: crlf });
  }),
  clumsy("call the workspace by its name", 2, async ({ model }) => {
    const made = await model.must("workspace_create", { name: "orders-fix" });
    const answer = await model.call("workspace_exec", { workspace_id: "orders-fix", command: "true" });
    if (!answer.isError) return;
    await model.must("workspace_list", {});
    await exec(model, String(made.structured["workspace_id"]), "true");
  }),
  clumsy("give a number as text", 2, async ({ model }) => {
    const id = await create(model);
    const args = { workspace_id: id, command: "echo done" };
    const answer = await model.call("workspace_exec", { ...args, timeout_seconds: "60" });
    if (answer.isError) await model.must("workspace_exec", { ...args, timeout_seconds: 60 });
  }),
  clumsy("edit text that was remembered wrongly", 3, async ({ model }) => {
    const id = await create(model);
    const edits = { workspace_id: id, path: "src/app.py" };
    if (model.offers("workspace_file_edit")) {
      const wrong = { ...edits, old_text: "  return sum(items)-1", new_text: "  return sum(items)" };
      const answer = await model.call("workspace_file_edit", wrong);
      const isTold = answer.shown.includes("return sum(items) - 1");
      if (!isTold) await model.must("workspace_file_read", edits);
      await model.must("workspace_file_edit", { ...edits, old_text: bug, new_text: fix });
      return;
    }
    const wrong = rightPatch.replace(bug, "    return sum(items)-1\n");
    const answer = await model.call("workspace_patch_apply", { workspace_id: id, patch: wrong });
    if (!answer.shown.includes("return sum(items) - 1")) await model.must("workspace_file_read", edits);
    await model.must("workspace_patch_apply", { workspace_id: id, patch: rightPatch });
  }),
];

const sedFix = "sed -i 's/sum(items) - 1/sum(items)/' src/app.py";

function task(name: string, fewestCalls: number, run: Task["run"]): Task {
  return { name, isClumsy: false, fewestCalls, run };
}

function clumsy(name: string, fewestCalls: number, run: Task["run"]): Task {
  return { name, isClumsy: true, fewestCalls, run };
}

async function create(model: ScriptedModel): Promise<string> {
  const { structured } = await model.must("workspace_create", {});
  return String(structured["workspace_id"]);
}

function exec(model: ScriptedModel, id: string, command: string): Promise<Answer> {
  return model.must("workspace_exec", { workspace_id: id, command });
}

/** Makes the fix with the tool that a model would take. */
async function edit(model: ScriptedModel, id: string): Promise<void> {
  if (model.offers("workspace_file_edit")) {
    await model.must("workspace_file_edit", { workspace_id: id, path: "src/app.py", old_text: bug, new_text: fix });
  } else {
    await model.must("workspace_patch_apply", { workspace_id: id, patch: rightPatch });
  }
}

/** Sends a patch, and a careful one if that is refused. */
async function patch(model: ScriptedModel, id: string, text: string): Promise<void> {
  const answer = await model.call("workspace_patch_apply", { workspace_id: id, patch: text });
  if (!answer.isError) return;
  await model.must("workspace_file_read", { workspace_id: id, path: "src/app.py" });
  await model.must("workspace_patch_apply", { workspace_id: id, patch: rightPatch });
}

async function seeEdit(model: ScriptedModel, id: string): Promise<void> {
  const removed = "-    return sum(items) - 1";
  if (model.learns(await model.must("workspace_diff", { workspace_id: id }), removed)) return;
  mustLearn(model, await model.must("workspace_diff", { workspace_id: id, paths: ["src/app.py"] }), removed);
}

/** Brings the patch to the user's disk, by the tool or by hand. */
async function handOver(model: ScriptedModel, id: string, outputPath: string): Promise<void> {
  if (model.offers("workspace_diff", "output_path")) {
    await model.must("workspace_diff", { workspace_id: id, output_path: outputPath });
    if (!existsSync(outputPath)) throw new Error("the patch is missing");
    return;
  }
  const { structured } = await model.must("workspace_diff", { workspace_id: id });
  model.writes(String(structured["patch"]));
}

function mustLearn(model: ScriptedModel, answer: Answer, needle: string): void {
  if (!model.learns(answer, needle)) throw new Error(`the answer lacks '${needle}': ${answer.shown.slice(0, 2000)}`);
}
