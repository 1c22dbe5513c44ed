import { expect, test } from "vitest";
import { checkpointOf, requireNewSnapshot, withoutSnapshot } from "../../../../src/workspaces/checkpoint/rules.ts";
import { workspaceRecord } from "../../../helpers/workspace-record.ts";

const snapshot = (snapshotName: string, layers: string[] = ["0.qcow2"]) => ({
  snapshotName,
  layers,
  createdAt: "2026-01-01T00:00:00.000Z",
  entryCount: 1,
  bytesWritten: 2,
});
const record = workspaceRecord({ snapshots: [snapshot("one"), snapshot("two", ["0.qcow2", "4.qcow2"])] });

test("the baseline is the seed alone, a snapshot the layers of its moment", () => {
  expect(checkpointOf(record, "baseline")).toEqual({ layers: [], hasChanges: false });
  expect(checkpointOf(record, "two")).toEqual({ layers: ["0.qcow2", "4.qcow2"], hasChanges: false });
});

test("a baseline into which something was pushed is the disk of that moment, without its changes", () => {
  const baseline = { layers: ["0.qcow2"], entryCount: 1, bytesWritten: 2 };
  expect(checkpointOf({ ...record, baseline }, "baseline")).toEqual({ layers: ["0.qcow2"], hasChanges: true });
});

test("a snapshot that is not there is named as such", () => {
  for (const use of [checkpointOf, withoutSnapshot]) {
    expect(() => use(record, "three")).toThrow(
      expect.objectContaining({
        code: "not_found",
        message: `workspace '${record.workspaceId}' has no snapshot 'three'`,
        hint: `Call \`pyro.workspace.snapshot.list({ workspaceId: "${record.workspaceId}" })\`.`,
      }),
    );
  }
});

test("deleting one leaves the others; the baseline cannot be deleted", () => {
  expect(withoutSnapshot(record, "one").snapshots.map(({ snapshotName }) => snapshotName)).toEqual(["two"]);
  expect(() => withoutSnapshot(record, "baseline")).toThrow(expect.objectContaining({ code: "failed_precondition" }));
});

test.each(["a", "before-refactoring", "v1.0_x", "9"])("'%s' is a name for a snapshot", (name) => {
  requireNewSnapshot(record, name);
});

test.each(["", "-a", ".", "..", "a/b", "a b", "ä", "x".repeat(65), "a\n"])("%j is none", (name) => {
  expect(() => requireNewSnapshot(record, name)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});

test.each(["baseline", "one"])("a second '%s' is refused", (name) => {
  expect(() => requireNewSnapshot(record, name)).toThrow(expect.objectContaining({ code: "already_exists" }));
});

test("there are limits to snapshots, and to the layers that they leave", () => {
  const many = workspaceRecord({ snapshots: Array.from({ length: 32 }, (_, index) => snapshot(`s${index}`)) });
  expect(() => requireNewSnapshot(many, "more")).toThrow(expect.objectContaining({ code: "resource_exhausted" }));
  const deep = workspaceRecord({ layers: Array.from({ length: 64 }, (_, index) => `${index}.qcow2`) });
  expect(() => requireNewSnapshot(deep, "more")).toThrow(expect.objectContaining({ code: "resource_exhausted" }));
});
