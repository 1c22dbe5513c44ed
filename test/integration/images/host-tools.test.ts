import { expect, test } from "vitest";
import { environmentBuildIssues, pullEnvironment } from "../../../src/images/pull.ts";
import { temporaryStore } from "./temporary-store.ts";

test("a host without mmdebstrap is told what to install, by the check and by the pull", async () => {
  const { store } = await temporaryStore();
  const context = { layout: store, searchPath: "/nonexistent", uid: 1000, mirror: undefined };
  const [issue] = await environmentBuildIssues(context);
  expect(issue?.message).toMatch(/^cannot build environments: 'mmdebstrap'.* not found$/);
  expect(issue?.hint).toMatch(/^Run `sudo apt-get install mmdebstrap.*`\.$/);
  await expect(pullEnvironment(context, "debian:12")).rejects.toMatchObject({
    code: "unavailable",
    message: issue?.message,
  });
});

test.each([
  ["ftp://mirror.invalid/debian", "a scheme that apt in the guest could not use"],
  ["http://user:password@mirror.invalid/debian", "a password, which would be recorded"],
  ["mirror.invalid/debian", "no scheme"],
])("a mirror is refused: %s has %s", async (mirror) => {
  const { store } = await temporaryStore();
  const pull = pullEnvironment({ layout: store, searchPath: "/usr/bin", uid: 0, mirror }, "debian:12");
  await expect(pull).rejects.toMatchObject({ code: "invalid_argument" });
});
