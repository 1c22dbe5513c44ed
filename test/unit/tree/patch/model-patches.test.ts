import { describe, expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { parsePatch } from "../../../../src/tree/patch/parse/parse.ts";
import { type PatchedEntry, pathsOf, planPatch } from "../../../../src/tree/patch/plan.ts";

/** Patches as models write them: what they mean is plain, or the refusal says exactly why not. */

const app = `import os

class A:
    def run(self):
        return 1

    def stop(self):
        return 1

def main():
    a = A()
    print(a.run())

main()
`;
const crlf = "one\r\ntwo\r\nthree\r\n";
const tree: Readonly<Record<string, string>> = {
  "src/app.py": app,
  "crlf.txt": crlf,
  "mixed.txt": "one\r\ntwo\r\nthree\nfour\n",
  "unended.txt": "alpha\nbeta\ngamma",
  "repeated.txt": "x = 1\n\nx = 1\n\nx = 1\n",
  "empty.txt": "",
  "c.c": "int f(void)\n{\n\treturn 1;\n}\n\nint g(void)\n{\n\treturn 1;\n}\n",
};

interface Outcome {
  readonly files: Readonly<Record<string, string | null>>;
  readonly adjusted: readonly string[];
}

function applyTo(before: Readonly<Record<string, string>>, patch: string): Outcome {
  const patches = parsePatch(patch);
  const asked = new Set(pathsOf(patches).map(String));
  const entry = (path: Buffer): PatchedEntry | null => {
    // The workspace sends only what was asked for.
    const content = asked.has(path.toString()) ? before[path.toString()] : undefined;
    return content === undefined ? null : { type: "file", mode: 0o644, content: Buffer.from(content) };
  };
  const { changes, adjusted } = planPatch(patches, entry);
  const files = Object.fromEntries(
    changes.map(({ path, entry: made }) => [String(path), made && String(made.content)]),
  );
  return { files, adjusted };
}

function refusal(patch: string): string {
  try {
    applyTo(tree, patch);
  } catch (error) {
    if (error instanceof PyroError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("the patch was applied");
}

const unified = (path: string, hunks: string) => `--- a/${path}\n+++ b/${path}\n${hunks}`;
const begun = (body: string) => `*** Begin Patch\n${body}*** End Patch\n`;
const block = (name: string, old: string, next: string) =>
  `${name}\n<<<<<<< SEARCH\n${old}=======\n${next}>>>>>>> REPLACE\n`;
const changed = app.replace("print(a.run())", "print(a.stop())");
const printHunk = "     a = A()\n-    print(a.run())\n+    print(a.stop())\n";

describe("hunks whose headers are wrong or have no numbers", () => {
  test.each([
    ["counts that are too small", unified("src/app.py", `@@ -11,1 +11,1 @@\n${printHunk}`)],
    ["counts that are too large", unified("src/app.py", `@@ -11,9 +11,12 @@\n${printHunk}`)],
    ["a wrong line too", unified("src/app.py", `@@ -90,9 +91,12 @@\n${printHunk}`)],
    ["no end of the header", unified("src/app.py", `@@ -11,2 +11,2\n${printHunk}`)],
    ["@@ alone", unified("src/app.py", `@@\n${printHunk}`)],
    ["@@ … @@", unified("src/app.py", `@@ … @@\n${printHunk}`)],
    ["@@ ... @@ with a heading", unified("src/app.py", `@@ ... @@ def main():\n${printHunk}`)],
    ["@@ def name", unified("src/app.py", `@@ def main\n${printHunk}`)],
    ["a heading that is not there", unified("src/app.py", `@@ def other():\n${printHunk}`)],
    [
      "an empty line before the next file",
      `${unified("src/app.py", `@@\n${printHunk}`)}\n\n${unified("new", "@@\n+x\n")}`,
    ],
    ["text after the patch", `${unified("src/app.py", `@@\n${printHunk}`)}\nThat changes:\n\n- the call\n`],
    ["a fence of Markdown", `\`\`\`diff\n${unified("src/app.py", `@@ -1,1 +1,1 @@\n${printHunk}`)}\`\`\`\n`],
  ])("%s", (_, patch) => {
    const { files, adjusted } = applyTo(tree, patch);
    expect(files["src/app.py"]).toBe(changed);
    expect(adjusted[0]).toMatch(/^src\/app\.py: hunk 1 \(.*\) applied at line 11/);
  });

  test("a hunk with right numbers is not adjusted", () => {
    const { files, adjusted } = applyTo(tree, unified("src/app.py", `@@ -11,2 +11,2 @@\n${printHunk}`));
    expect(files).toEqual({ "src/app.py": changed });
    expect(adjusted).toEqual([]);
  });

  test("a heading tells places apart", () => {
    const hunk = "-        return 1\n+        return 2\n";
    const stop = applyTo(tree, unified("src/app.py", `@@ def stop(self):\n${hunk}`)).files["src/app.py"];
    expect(stop).toBe(app.replace(/(stop[\s\S]*?return) 1/, "$1 2"));
    const g = applyTo(tree, unified("c.c", "@@ int g(void)\n-\treturn 1;\n+\treturn 2;\n")).files["c.c"];
    expect(g).toBe((tree["c.c"] ?? "").replace(/(g\(void\)[\s\S]*?return) 1/, "$1 2"));
  });

  test("empty lines that the file keeps may lack their space", () => {
    const hunk = "@@ -5,9 +5,9 @@\n         return 1\n\n-    def stop(self):\n+    def end(self):\n";
    expect(applyTo(tree, unified("src/app.py", hunk)).files["src/app.py"]).toBe(app.replace("stop(self)", "end(self)"));
  });

  test("several hunks go below one another", () => {
    const hunks = "@@\n-import os\n+import sys\n@@\n-    a = A()\n+    b = A()\n@@ -1,9 +1,9 @@\n-main()\n+main(1)\n";
    const expected = app
      .replace("import os", "import sys")
      .replace("a = A()", "b = A()")
      .replace(/\nmain\(\)/, "\nmain(1)");
    expect(applyTo(tree, unified("src/app.py", hunks)).files["src/app.py"]).toBe(expected);
  });

  test.each([
    [
      "lines that are there several times",
      unified("repeated.txt", "@@\n-x = 1\n+x = 2\n"),
      "matches at 3 places, lines 1, 3, 5",
    ],
    ["the same with wrong counts", unified("repeated.txt", "@@ -1,3 +1,3 @@\n-x = 1\n+x = 2\n"), "matches at 3 places"],
    [
      "a line that differs",
      unified("src/app.py", "@@\n     a = A()\n-    print(a.go())\n+    x\n"),
      'does not match at line 12: it is "    print(a.run())" and not "    print(a.go())"',
    ],
    [
      "only white space that differs",
      unified("src/app.py", "@@\n-  a = A()\n+  b = A()\n"),
      'at line 11: it is "    a = A()" and not "  a = A()"',
    ],
    ["lines that are nowhere", unified("src/app.py", "@@\n-nothing\n+x\n"), "does not match"],
    [
      "a hunk above the one before",
      unified("src/app.py", "@@\n-main()\n+main(1)\n@@\n-import os\n+import sys\n"),
      "hunk 2 (@@) matches only at line 1, above the end of the hunk before it",
    ],
    [
      "lines to add without a place",
      unified("src/app.py", "@@ def main\n+    pass\n"),
      "only adds lines, and does not say where",
    ],
    [
      "a line without a mark",
      unified("src/app.py", "@@\n def main():\n-    a = A()\n    print(a.run())\n+    x\n"),
      "does not match",
    ],
    [
      "a line at the margin without a mark",
      unified("src/app.py", "@@\n     print(a.run())\n\nmain()\n+main()\n"),
      "'main()' is in a hunk, but begins with none of",
    ],
    [
      "a hunk without a change",
      unified("src/app.py", "@@ -1,9 +1,9 @@\n import os\n"),
      "has no lines that begin with '+' or '-'",
    ],
    [
      "what is already applied",
      unified("src/app.py", "@@\n-    def halt(self):\n+    def stop(self):\n"),
      "probably already applied",
    ],
    ["a combined diff", unified("src/app.py", "@@@ -1,1 -1,1 +1,1 @@@\n  x\n"), "combined diff"],
    ["a hunk of no file", "@@ def main\n-a\n+b\n", "this hunk has no '--- a/file'"],
  ])("%s is refused", (_, patch, message) => {
    expect(refusal(patch)).toContain(message);
  });
});

describe("the format of OpenAI's models", () => {
  test("one patch adds, changes, moves and deletes", () => {
    const patch = begun(
      "*** Add File: docs/new.md\n+# Title\n+\n+Text\n*** Update File: src/app.py\n*** Move to: src/main.py\n" +
        `@@ def main():\n${printHunk}*** Delete File: repeated.txt\n`,
    );
    const { files, adjusted } = applyTo(tree, patch);
    expect(files).toEqual({
      "src/app.py": null,
      "repeated.txt": null,
      "docs/new.md": "# Title\n\nText\n",
      "src/main.py": changed,
    });
    expect(adjusted).toEqual(["src/main.py: hunk 1 (@@ def main():) applied at line 11"]);
  });

  test.each([
    ["no @@ before the first hunk", `*** Update File: src/app.py\n${printHunk}`],
    ["several headings", `*** Update File: src/app.py\n@@ class B\n@@ def main():\n${printHunk}`],
    ["an absolute path", `*** Update File: /workspace/src/app.py\n@@\n${printHunk}`],
    ["a folder that is not there", `*** Update File: workspace/src/app.py\n@@\n${printHunk}`],
    ["empty lines at its end", `*** Update File: src/app.py\n@@\n${printHunk}\n\n`],
  ])("%s", (_, body) => {
    expect(applyTo(tree, begun(body)).files).toEqual({ "src/app.py": changed });
  });

  test("nested headings find a method", () => {
    const body =
      "*** Update File: src/app.py\n@@ class A:\n@@     def stop(self):\n-        return 1\n+        return 2\n";
    expect(applyTo(tree, begun(body)).files["src/app.py"]).toBe(app.replace(/(stop[\s\S]*?return) 1/, "$1 2"));
  });

  test("a heredoc around it is ignored", () => {
    const patch = `apply_patch <<'EOF'\n${begun(`*** Update File: src/app.py\n@@\n${printHunk}`)}EOF\n`;
    expect(applyTo(tree, patch).files).toEqual({ "src/app.py": changed });
  });

  test("carriage returns of the patch itself do not matter", () => {
    const patch = begun("*** Update File: crlf.txt\n@@\n one\n-two\n+2\n").replaceAll("\n", "\r\n");
    expect(applyTo(tree, patch).files).toEqual({ "crlf.txt": "one\r\n2\r\nthree\r\n" });
  });

  test.each([
    ["the end of the file tells equal lines apart", "repeated.txt", "-x = 1\n+x = 2\n", "x = 1\n\nx = 1\n\nx = 2\n"],
    ["lines go to the end of the file", "repeated.txt", "+y\n", "x = 1\n\nx = 1\n\nx = 1\ny\n"],
    ["a last line without an end keeps none", "unended.txt", "-gamma\n+delta\n", "alpha\nbeta\ndelta"],
    ["a last line without an end goes, and the one above stays", "unended.txt", " beta\n-gamma\n", "alpha\nbeta\n"],
    ["a line after one without an end", "unended.txt", "+delta\n", "alpha\nbeta\ngamma\ndelta"],
  ])("%s", (_, path, lines, expected) => {
    const patch = begun(`*** Update File: ${path}\n@@\n${lines}*** End of File\n`);
    expect(applyTo(tree, patch).files).toEqual({ [path]: expected });
  });

  test("an empty file can be added, and a file moved unchanged", () => {
    const { files } = applyTo(tree, begun("*** Add File: a\n*** Update File: empty.txt\n*** Move to: b\n"));
    expect(files).toEqual({ a: "", b: "", "empty.txt": null });
  });

  test.each([
    ["a file that exists", "*** Add File: empty.txt\n+x\n", "already_exists: cannot add 'empty.txt': it exists"],
    ["a file with this content", "*** Add File: crlf.txt\n+one\r\n+two\r\n+three\r\n", "it is already applied"],
    ["a deletion of nothing", "*** Delete File: gone\n", "there is no such file, so this is already applied"],
    ["an update of nothing", "*** Update File: gone\n@@\n-x\n+y\n", "not_found: cannot apply patch to 'gone'"],
    ["no lines", "*** Update File: src/app.py\n", "no lines follow"],
    ["a heading without lines", "*** Update File: src/app.py\n@@ def main\n", "no lines follow"],
    ["an unknown action", "*** Rename File: a\n", "is none of '*** Add'"],
    ["a line without a mark", "*** Update File: src/app.py\n@@\n-main()\nmain(1)\n", "'main(1)' begins with none of"],
    ["a new line without a mark", "*** Add File: a\n+x\ny\n", "'y' begins with none of '+'"],
    ["a path above", "*** Add File: ../x\n+x\n", "'../x' has an empty part"],
    ["a path elsewhere", "*** Add File: /etc/x\n+x\n", "'/etc/x' is an absolute path"],
    ["lines of another place", "*** Update File: repeated.txt\n@@\n-x = 2\n+x\n*** End of File\n", "does not match"],
  ])("%s is refused", (_, body, message) => {
    expect(refusal(begun(body))).toContain(message);
  });
});

describe("blocks to search and replace", () => {
  const old = "    print(a.run())\n";
  const next = "    print(a.stop())\n";
  test.each([
    ["a bare name", block("src/app.py", old, next)],
    ["a name in bold", block("**src/app.py**", old, next)],
    ["a heading", block("### `src/app.py`:", old, next)],
    ["a fence between", block("src/app.py\n```python", old, next)],
    ["a label", block("File: /workspace/src/app.py", old, next)],
    ["longer marks", block("src/app.py", old, next).replace("<<<<<<<", "<<<<<<<<").replace(">>>>>>>", ">>>>>>>>")],
  ])("%s", (_, patch) => {
    const { files, adjusted } = applyTo(tree, patch);
    expect(files).toEqual({ "src/app.py": changed });
    expect(adjusted.at(-1)).toMatch(/^src\/app\.py: hunk 1 \(block of line \d\) applied at line 12$/);
  });

  test("several blocks of a file, in any order, of which only the first names it", () => {
    const patch = block("src/app.py", "\nmain()\n", "\nmain(1)\n") + block("", "import os\n", "import sys\n");
    expect(applyTo(tree, patch).files).toEqual({
      "src/app.py": app.replace("import os", "import sys").replace("\n\nmain()", "\n\nmain(1)"),
    });
  });

  test("an empty search makes a new file", () => {
    const { files, adjusted } = applyTo(tree, block("docs/new", "", "text\n"));
    expect(files).toEqual({ "docs/new": "text\n" });
    expect(adjusted[0]).toBe("docs/new: it does not exist, so it is added");
  });

  test("a last line without an end, and line ends of the file, stay", () => {
    expect(applyTo(tree, block("unended.txt", "gamma\n", "delta\n")).files["unended.txt"]).toBe("alpha\nbeta\ndelta");
    const { files, adjusted } = applyTo(tree, block("crlf.txt", "two\n", "2\n2b\n"));
    expect(files["crlf.txt"]).toBe("one\r\n2\r\n2b\r\nthree\r\n");
    expect(adjusted).toContain("crlf.txt: hunk 1 (block of line 2) applied with CRLF line ends, as the file has");
  });

  test.each([
    ["no name", block("", old, next), "no line above this block names its file"],
    ["no middle", "src/app.py\n<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", "has no line '======='"],
    ["no end", "src/app.py\n<<<<<<< SEARCH\na\n=======\nb\n", "has no line '>>>>>>> REPLACE'"],
    ["a text with its middle", block("src/app.py", `${old}=======\n`, next), "several lines '======='"],
    ["a text with its end", block("src/app.py", `${old}>>>>>>> REPLACE\n`, next), "has no line '======='"],
    [
      "a text with its end in the second",
      block("src/app.py", old, `${next}>>>>>>> REPLACE\n`),
      "this line ends no block",
    ],
    ["no change", block("src/app.py", old, old), "both texts of this block are the same"],
    ["several places", block("repeated.txt", "x = 1\n", "x = 2\n"), "matches at 3 places, lines 1, 3, 5"],
    ["text that is not there", block("src/app.py", "    print(b)\n", "x\n"), "does not match"],
    ["a file that is not there", block("gone", "a\n", "b\n"), "not_found"],
    ["an empty search in a file", block("src/app.py", "", "x\n"), "only adds lines, and does not say where"],
    ["what is already applied", block("src/app.py", "    print(a.stop())\n", old), "probably already applied"],
  ])("%s is refused", (_, patch, message) => {
    expect(refusal(patch)).toContain(message);
  });
});

describe("paths, line ends and files that do not exist", () => {
  const hunk = `@@ -11,2 +11,2 @@\n${printHunk}`;
  test.each([
    ["an absolute path", `--- /workspace/src/app.py\n+++ /workspace/src/app.py\n${hunk}`],
    ["an absolute path with prefixes", `--- a//workspace/src/app.py\n+++ b//workspace/src/app.py\n${hunk}`],
    ["the folder of the workspace", unified("workspace/src/app.py", hunk)],
    [
      "the same for git",
      `diff --git a/workspace/src/app.py b/workspace/src/app.py\n${unified("workspace/src/app.py", hunk)}`,
    ],
    [
      "an absolute path for git",
      `diff --git a/workspace/src/app.py b/workspace/src/app.py\n--- /workspace/src/app.py\n+++ /workspace/src/app.py\n${hunk}`,
    ],
  ])("%s", (_, patch) => {
    const { files, adjusted } = applyTo(tree, patch);
    expect(files).toEqual({ "src/app.py": changed });
    expect(adjusted).toEqual([expect.stringContaining("read as 'src/app.py'")]);
  });

  test("a folder `workspace` of the project is one", () => {
    const own = { workspace: "", "workspace/x": "1\n", x: "1\n" };
    expect(applyTo(own, unified("workspace/x", "@@ -1 +1 @@\n-1\n+2\n")).files).toEqual({ "workspace/x": "2\n" });
  });

  test("a folder `workspace` that a program's patch adds is one, that a model writes is not", () => {
    const added = (id: string) =>
      `diff --git a/workspace/x b/workspace/x\nnew file mode 100644\nindex 0000000..${id}\n--- /dev/null\n+++ b/workspace/x\n@@ -0,0 +1 @@\n+1\n`;
    expect(applyTo(tree, added("d00491f")).files).toEqual({ "workspace/x": "1\n" });
    expect(applyTo(tree, added("1234567")).files).toEqual({ x: "1\n" });
  });

  test.each([
    [
      "lines without CR in a file with CRLF",
      "crlf.txt",
      "@@ -1,3 +1,4 @@\n one\n-two\n+2\n+2b\n three\n",
      "one\r\n2\r\n2b\r\nthree\r\n",
    ],
    ["in a part with CRLF", "mixed.txt", "@@ -1,2 +1,2 @@\n one\n-two\n+2\n", "one\r\n2\r\nthree\nfour\n"],
    ["in a part without", "mixed.txt", "@@ -3,2 +3,2 @@\n three\n-four\n+4\n", "one\r\ntwo\r\nthree\n4\n"],
    ["lines that are only added", "crlf.txt", "@@ -1,0 +2 @@\n+1b\n", "one\r\n1b\r\ntwo\r\nthree\r\n"],
  ])("%s", (_, path, hunks, expected) => {
    expect(applyTo(tree, unified(path, hunks)).files).toEqual({ [path]: expected });
  });

  test("a line that differs is told with the line ends of the file", () => {
    expect(refusal(unified("crlf.txt", "@@ -1,2 +1,2 @@\n one\n-zwei\n+2\n"))).toContain(
      'does not match at line 2: it is "two" and not "zwei"',
    );
  });

  test.each([
    ["@@ -0,0", unified("new.txt", "@@ -0,0 +1,2 @@\n+a\n+b\n"), "a\nb\n"],
    ["@@ -0,0 with wrong counts", unified("new.txt", "@@ -0,0 +1,9 @@\n+a\n+b\n"), "a\nb\n"],
    ["/dev/null with wrong counts", "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,9 @@\n+a\n", "a\n"],
    [
      "/dev/null of 1970",
      "--- /dev/null\t1970-01-01 00:00:00.000000000 +0000\n+++ b/new.txt\t2020-01-01 10:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+a\n",
      "a\n",
    ],
    [
      "spaces before the times",
      "--- /dev/null 1970-01-01 00:00:00.000000000 +0000\n+++ new.txt 2020-01-01 10:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+a\n",
      "a\n",
    ],
    ["no numbers", unified("new.txt", "@@\n+a\n"), "a\n"],
  ])("a new file by %s", (_, patch, expected) => {
    expect(applyTo(tree, patch).files).toEqual({ "new.txt": expected });
  });
});
