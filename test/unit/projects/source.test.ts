import { expect, test } from "vitest";
import { projectFromUrl } from "../../../src/projects/remote.ts";
import { shellWord } from "../../../src/projects/shell-word.ts";
import { projectOrigin } from "../../../src/projects/source.ts";

test("the origin of a project is a path, or a URL without credentials", () => {
  expect(projectOrigin({ kind: "checkout", root: "/src/a b" })).toEqual({ kind: "project_path", ref: "/src/a b" });
  expect(projectOrigin({ kind: "directory", root: "/src" })).toEqual({ kind: "project_path", ref: "/src" });
  const url = "https://me:secret@example.com/a.git";
  expect(projectOrigin(projectFromUrl(url))).toEqual({ kind: "repo_url", ref: "https://example.com/a.git" });
  expect(projectOrigin(projectFromUrl(url, "v1")).ref).toBe("https://example.com/a.git@v1");
});

test("words of commands in hints can be copied", () => {
  expect(shellWord("/home/me/a.b")).toBe("/home/me/a.b");
  expect(shellWord("/it's a path")).toBe("'/it'\\''s a path'");
  expect(shellWord("")).toBe("''");
});
