import { mkdirSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { composeEngineContext } from "../../src/compose.ts";
import { invoke } from "../../src/operations/operation.ts";
import { projectAt } from "../../src/projects/detect.ts";
import { projectFromUrl } from "../../src/projects/remote.ts";
import type { ProjectSource } from "../../src/projects/source.ts";
import { workspaceCreate } from "../../src/workspaces/life/create-operation.ts";
import { makeRepository } from "../helpers/git-repository.ts";
import { compareTrees, onHost } from "../helpers/host-tree.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

describeWithVm("a workspace of a project", () => {
  let bench: Workbench;
  let root: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    mkdirSync(bench.hostPath("a project"));
    root = realpathSync(bench.hostPath("a project"));
    makeRepository(
      root,
      `mkdir -p src/deep empty ignored; echo one > src/a; echo two > src/deep/b; ln -s a src/link; chmod 755 src/a
       echo x > "$(printf 'caf\\351')"; echo y > 'two
lines'; echo /ignored > .gitignore; git add -A; git commit -qm first
       echo changed > src/a; echo staged > staged; git add staged; rm 'two
lines'; echo untracked > src/untracked; echo secret > ignored/secret`,
    );
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const create = (project: ProjectSource, input: object = {}) =>
    invoke(workspaceCreate, { engine: composeEngineContext({ ...process.env, ...bench.env }), project }, input);

  test("begins with a checkout's tracked files as they are in its working tree", async () => {
    const { workspaceId, workspaceSeed, environment, skippedFiles } = await create(await projectAt(join(root, "src")));
    expect({ workspaceSeed, environment, skippedFiles }).toEqual({
      workspaceSeed: {
        mode: "directory",
        seedPath: root,
        originKind: "project_path",
        originRef: root,
        destination: "/workspace",
        entryCount: 8,
        bytesWritten: 30,
      },
      environment: "debian:12",
      skippedFiles: [],
    });
    expect(await bench.json(["status", workspaceId])).toMatchObject({
      workspace_seed: { origin_kind: "project_path", origin_ref: root },
    });
    const output = bench.hostPath("exported");
    await bench.output(["export", workspaceId, "/workspace", "--output", output]);
    const expected = bench.hostPath("expected");
    onHost(
      "/",
      'mkdir "$2"; cd "$1"; git ls-files -z | tar -c --null --ignore-failed-read -T - 2> /dev/null | tar -xC "$2"',
      root,
      expected,
    );
    expect(await compareTrees(output, expected)).toEqual([]);
    expect(await bench.json(["diff", workspaceId])).toMatchObject({ changed: false });
    await bench.sh(workspaceId, "echo more >> src/a; rm -r src/deep");
    expect(await bench.json(["diff", workspaceId])).toMatchObject({ summary: { modified: 1, deleted: 2, total: 3 } });
    await bench.output(["reset", workspaceId]);
    expect(await bench.sh(workspaceId, "cat src/a")).toBe("changed\n");
    await bench.output(["delete", workspaceId]);
  });

  test("a seed that is named comes in its place", async () => {
    const { workspaceId, workspaceSeed } = await create({ kind: "checkout", root }, { seedPath: join(root, "src") });
    expect(workspaceSeed).toMatchObject({ originKind: "manual_seed_path", seedPath: join(root, "src") });
    expect(await bench.sh(workspaceId, "ls")).toBe("a\ndeep\nlink\nuntracked\n");
    await bench.output(["delete", workspaceId]);
  });

  test("begins with a clone that git works in, and there is none when it cannot be cloned", async () => {
    const url = pathToFileURL(root).href;
    const { workspaceId, workspaceSeed } = await create(projectFromUrl(url, "main"));
    expect(workspaceSeed).toMatchObject({
      mode: "directory",
      seedPath: null,
      originKind: "repo_url",
      originRef: `${url}@main`,
    });
    expect(await bench.sh(workspaceId, "git status --porcelain --branch; git log --format=%s; cat src/a")).toBe(
      "## main...origin/main\nfirst\none\n",
    );
    await bench.output(["delete", workspaceId]);
    await expect(create(projectFromUrl(url, "nope"))).rejects.toMatchObject({ code: "not_found" });
    await rm(join(root, ".git"), { recursive: true });
    await expect(create({ kind: "checkout", root })).rejects.toMatchObject({ code: "failed_precondition" });
    expect(await bench.leftovers()).toEqual([]);
    // The supervisors that had nothing to do end by themselves.
    await expect.poll(() => bench.processes(), { timeout: 30_000 }).toEqual([]);
  });
});
