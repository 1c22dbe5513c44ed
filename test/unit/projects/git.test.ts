import { expect, test } from "vitest";
import { gitReason } from "../../../src/projects/git.ts";

test.each([
  ["fatal: bad config line 1 in file .git/config\n", "bad config line 1 in file .git/config"],
  ["warning: x\nerror: unable to write file a\nfatal: y\n", "unable to write file a"],
  [
    "ssh: Could not resolve hostname a: unknown\nfatal: Could not read.\n",
    "ssh: Could not resolve hostname a: unknown",
  ],
  ["fatal: unable to connect to 127.0.0.1:\nerrno=x\n", "unable to connect to 127.0.0.1"],
  ["something else\n", "something else"],
  ["", "git ended with exit code 128"],
])("of %j the reason is %j", (stderr, reason) => {
  expect(gitReason({ stderr, exitCode: 128 })).toBe(reason);
});
