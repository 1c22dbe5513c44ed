import { expect, test } from "vitest";
import { redactedUrl, requireCloneRef, requireCloneUrl, withoutCredentials } from "../../../src/projects/clone-url.ts";

test.each([
  ["https://user:pa55word@example.com/a/b.git", "https://example.com/a/b.git"],
  ["https://ghp_token@example.com/a/b.git", "https://example.com/a/b.git"],
  ["https://user:p@ss@example.com:8443/a@b.git", "https://example.com:8443/a@b.git"],
  ["HTTPS://user:pa55word@[::1]:80/a", "HTTPS://[::1]:80/a"],
  ["https://example.com/a.git?private_token=abc#x", "https://example.com/a.git"],
  ["https://example.com/a.git", "https://example.com/a.git"],
  ["ssh://git:pa55word@example.com/a.git", "ssh://git@example.com/a.git"],
  ["ssh://git@example.com/a.git", "ssh://git@example.com/a.git"],
  ["git@example.com:a/b.git", "git@example.com:a/b.git"],
  ["file:///home/me/a%20b", "file:///home/me/a%20b"],
  ["/home/me/a@b", "/home/me/a@b"],
])("%s is shown as %s", (url, shown) => {
  expect(redactedUrl(url)).toBe(shown);
  expect(() => requireCloneUrl(url)).not.toThrow();
});

test("credentials are taken out of what git says, in every form", () => {
  const url = "https://user:p%40ss%3Dword@example.com/a.git?private_token=abc";
  const said = `unable to access '${url}/': no p@ss=word, no p%40ss%3Dword, no ?private_token=abc, https://x:y@z/`;
  expect(withoutCredentials(said, url)).toBe(
    "unable to access 'https://example.com/a.git/': no [REDACTED], no [REDACTED], no [REDACTED], https://z/",
  );
  expect(withoutCredentials("no ghp_token here", "https://ghp_token@example.com/a")).toBe("no [REDACTED] here");
  expect(withoutCredentials("git@example.com: denied", "git@example.com:a")).toBe("git@example.com: denied");
  expect(withoutCredentials("for git", "ssh://git@example.com/a")).toBe("for git");
});

test.each([
  "",
  "-oProxyCommand=id",
  "--upload-pack=id",
  "ext::sh -c id",
  "fd::17",
  "project",
  "../project",
  "-x:project",
  "git@-oProxyCommand=id:project",
  "ssh://-oProxyCommand=id/project",
  "https://example.com/a\nb",
])("%j is no URL to clone", (url) => {
  expect(() => requireCloneUrl(url)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});

test.each([
  "https://user:pa/55word@example.com/a",
  "https://user:pa#55word@example.com/a",
  "https://u:pa?55@e.com/a",
  "https:/user:pa55word@example.com/a",
  "https:user:pa55word@example.com/a",
  "http:////user:pa55word@example.com/a",
  "user:pa55word@example.com:a.git",
])("%s is refused without showing it", (url) => {
  expect(() => requireCloneUrl(url)).toThrow(/^cannot clone the URL: its host is not one$/);
});

test.each([
  "main",
  "v1.2",
  "feature/x-y_z",
  "refs/pull/12/head",
  "HEAD",
  "ü",
  "0123456789012345678901234567890123456789",
])("%s is a ref", (ref) => {
  expect(() => requireCloneRef(ref)).not.toThrow();
});

test.each([
  "",
  "-b",
  "--all",
  "a b",
  "a..b",
  "a^",
  "a~1",
  "a:b",
  "a*",
  "a\nb",
  "/a",
  "a/",
  "a.lock",
  "a@{1}",
  "@",
  ".a",
])("%j is no ref", (ref) => {
  expect(() => requireCloneRef(ref)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
