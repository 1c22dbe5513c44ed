import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pyro } from "pyro-mcp";

const dir = await mkdtemp(join(tmpdir(), "pyro-example-"));
await writeFile(join(dir, "add.py"), "def add(a, b):\n    return a - b\n");
await writeFile(join(dir, "check.py"), "from add import add\nassert add(2, 2) == 4, add(2, 2)\nprint('ok')\n");

const fix = `--- a/add.py
+++ b/add.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
`;

try {
  // The workspace is deleted at the end of the scope, also when something fails in it.
  await using workspace = await new Pyro().createWorkspace({ environment: "debian:12", seedPath: dir });

  const before = await workspace.exec(["python3", "-B", "check.py"]);
  console.log(`before: exit code ${before.exitCode}`);

  await workspace.applyPatch(fix);
  const after = await workspace.exec("python3 -B check.py | tee result.txt", { timeoutSeconds: 60 });
  console.log(`after: exit code ${after.exitCode}, isolated by ${after.isolation?.vmm}`);

  const { summary } = await workspace.diff();
  console.log(`changed: ${summary.modified} modified, ${summary.added} added`);

  await workspace.export("result.txt", join(dir, "result.txt"));
  console.log(`exported: ${(await readFile(join(dir, "result.txt"), "utf8")).trim()}`);
} finally {
  await rm(dir, { recursive: true });
}
