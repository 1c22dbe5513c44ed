import { expect, test } from "vitest";
import { type Change, type ChangeSide, formatChange } from "../../../../src/tree/patch/format.ts";

const file = (content: string | Buffer | undefined, mode = 0o644): ChangeSide => ({
  type: "file",
  mode,
  content: content === undefined ? undefined : Buffer.from(content),
});
const link = (target: string): ChangeSide => ({ type: "symlink", mode: 0o777, content: Buffer.from(target) });
const directory: ChangeSide = { type: "directory", mode: 0o755 };

function format(path: string, old: ChangeSide | null, next: ChangeSide | null) {
  const status: Change["status"] = !old ? "added" : !next ? "deleted" : "modified";
  return formatChange({ path: Buffer.from(path), status, old, new: next });
}

test("a change of text is a patch like git's", () => {
  const { textPatch, patch } = format("my file", file("1\n"), file("2\n", 0o755));
  expect(textPatch).toMatchInlineSnapshot(`
    "diff --git a/my file b/my file
    old mode 100644
    new mode 100755
    index d00491f..0cfbf08
    --- a/my file	
    +++ b/my file	
    @@ -1 +1 @@
    -1
    +2
    "
  `);
  expect(patch).toBe(textPatch);
});

test("a change of type is a deletion and an addition", () => {
  expect(format("x", file("1\n"), link("target")).textPatch).toMatchInlineSnapshot(`
    "diff --git a/x b/x
    deleted file mode 100644
    index d00491f..0000000
    --- a/x
    +++ /dev/null
    @@ -1 +0,0 @@
    -1
    diff --git a/x b/x
    new file mode 120000
    index 0000000..1de5659
    --- /dev/null
    +++ b/x
    @@ -0,0 +1 @@
    +target
    \\ No newline at end of file
    "
  `);
});

test("a file that becomes a folder is deleted, one that was a folder is added", () => {
  expect(format("x", file("1\n"), directory).textPatch).toContain("deleted file mode 100644");
  expect(format("x", directory, file("1\n")).textPatch).toContain("new file mode 100644");
});

test("an empty file has a header only", () => {
  expect(format("x", null, file("")).textPatch).toBe(
    "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n",
  );
});

test("bytes are in the patch of everything, not in that of text", () => {
  const { textPatch, patch } = format("x", file("1\0"), file(""));
  expect(textPatch).toBeNull();
  expect(patch).toMatchInlineSnapshot(`
    "diff --git a/x b/x
    index 0e7ef541921d888956f987fefacfb70f6117498a..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 100644
    GIT binary patch
    literal 0
    HcmV?d00001

    literal 2
    JcmXqH0001F05Sjo

    "
  `);
});

test.each([
  ["text that is not UTF-8", Buffer.from([0xff])],
  ["a NUL after much text", Buffer.concat([Buffer.alloc(10_000, "x"), Buffer.alloc(1)])],
])("%s is bytes", (_, content) => {
  expect(format("x", null, file(content)).textPatch).toBeNull();
});

test("content that is not at hand is said to differ", () => {
  const expected = "diff --git a/x b/x\nBinary files a/x and b/x differ\n";
  expect(format("x", file(undefined), file("1\n"))).toEqual({ textPatch: null, patch: expected });
  expect(format("x", null, file(undefined)).patch).toBe(
    "diff --git a/x b/x\nnew file mode 100644\nBinary files /dev/null and b/x differ\n",
  );
});

test.each([
  ["a folder", null, directory],
  ["a device", { type: "other" as const, mode: 0o600 }, null],
  ["a bit that git does not keep", file("1\n", 0o644), file("1\n", 0o600)],
  ["execution by others only", file("1\n", 0o644), file("1\n", 0o645)],
])("%s has no patch", (_, old, next) => {
  expect(format("x", old, next)).toEqual({ textPatch: null, patch: null });
});

test("a name that is not UTF-8 makes a patch that is", () => {
  const path = Buffer.from([0x61, 0xff]);
  const { patch } = formatChange({ path, status: "added", old: null, new: file("1\n") });
  expect(patch).toContain('diff --git "a/a\\377" "b/a\\377"\n');
  expect(patch).toContain('+++ "b/a\\377"\n');
});
