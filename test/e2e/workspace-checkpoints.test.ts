import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

describeWithVm("a reset brings back a workspace", () => {
  let bench: Workbench;
  let id: string;
  let identities: string[];
  beforeAll(async () => {
    bench = await Workbench.create();
    id = await bench.create({ name: "kept", labels: { kept: "yes" } });
    await bench.sh(id, "mkdir -p dir; echo one > dir/file; echo root > /root/file");
    await bench.output(["snapshot", "create", id, "one"]);
    identities = [];
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const reset = async (snapshot: string): Promise<Json> => {
    const record = await bench.json(["reset", id, "--snapshot", snapshot]);
    expect(record).toMatchObject({ state: "started", name: "kept", labels: { kept: "yes" }, command_count: 0 });
    identities.push(await bench.sh(id, "cat /etc/machine-id"));
    return record;
  };
  const expectSnapshotOne = async () => {
    expect(await bench.sh(id, "cat dir/file; ls; ls /root; git --version | wc -l")).toBe("one\ndir\n1\n");
  };

  test("whose system and files were deleted", async () => {
    await bench.run(["exec", id, "--", "sh", "-c", "rm -rf /workspace/* /usr /etc"]);
    await reset("one");
    await expectSnapshotOne();
  });

  test("whose memory and root disk were filled", async () => {
    // All but a little: the host has to hold what the guest writes.
    const fill =
      "fallocate -l $(($(stat -fc '%a*%S' /) - 1000000)) /filler && dd if=/dev/zero of=/more bs=64k; dd if=/dev/zero of=/run/full bs=1M";
    const full = await bench.run(["exec", id, "--timeout-seconds", "100", "--", "sh", "-c", fill]);
    expect(full.stderr).toContain("No space left on device");
    await bench.output(["file", "write", id, "still.txt", "--text", "writable"]);
    await reset("one");
    await expectSnapshotOne();
    expect(await bench.sh(id, "ls -d /filler /run/full || true")).toBe("");
  });

  test("whose files have no room left, which is told", async () => {
    // Holes cost the host nothing; one file must not hold all of a disk that has 32 GiB.
    const fill =
      "fallocate -l 31G filler; i=0; while fallocate -l 64M more.$i; do i=$((i + 1)); done; dd if=/dev/zero of=last bs=64k";
    const full = await bench.run(["exec", id, "--timeout-seconds", "100", "--", "sh", "-c", fill]);
    expect(full.stderr).toContain("No space left on device");
    const text = "x".repeat(200_000);
    const refused = await bench.sdk.refusal("workspace.file.write", { workspaceId: id, path: "a/b.txt", text });
    expect(refused).toMatchObject({ code: "resource_exhausted" });
    expect(await bench.sh(id, "ls -d a || true")).toBe("");
    await reset("one");
    await expectSnapshotOne();
  });

  test("with processes that would not end", async () => {
    const stubborn = "trap '' TERM INT HUP; while :; do sleep 1; done";
    await bench.sh(id, `setsid sh -c "${stubborn}" > /dev/null 2>&1 & echo`);
    await reset("one");
    expect(await bench.sh(id, "cat /proc/[0-9]*/comm | grep -cx sleep || true")).toBe("0\n");
  });

  test("that is stopped", async () => {
    await bench.output(["stop", id]);
    await reset("one");
    await expectSnapshotOne();
  });

  test("to any of its snapshots, in any order", async () => {
    await bench.sh(id, "echo two > dir/file; ln -s file dir/link");
    await bench.output(["snapshot", "create", id, "two"]);
    await reset("baseline");
    expect(await bench.sh(id, "ls -A")).toBe("");
    await bench.sh(id, "echo three > three");
    await bench.output(["snapshot", "create", id, "three"]);
    await bench.output(["snapshot", "delete", id, "one"]);
    await reset("two");
    expect(await bench.sh(id, "cat dir/link; ls")).toBe("two\ndir\n");
    await reset("three");
    expect(await bench.sh(id, "cat three; ls")).toBe("three\nthree\n");
    expect((await bench.json(["snapshot", "list", id])).snapshots.map((one: Json) => one.snapshot_name)).toEqual([
      ...["baseline", "two", "three"],
    ]);
  });

  test("as a new machine each time, and counts them", async () => {
    const { reset_count, last_reset_at, command_count } = await bench.json(["status", id]);
    expect({ reset_count, command_count }).toEqual({ reset_count: identities.length, command_count: 2 });
    expect(Date.parse(last_reset_at)).not.toBeNaN();
    expect(new Set(identities).size).toBe(identities.length);
  });

  test("from a snapshot of a moment, while a command goes on writing", async () => {
    const writing = bench.sh(id, "for i in $(seq 4000); do echo $i >> counter; done");
    await bench.output(["snapshot", "create", id, "moment"]);
    await writing;
    expect(await bench.sh(id, "tail -n 1 counter")).toBe("4000\n");
    await reset("moment");
    const lines = (await bench.sh(id, "cat counter 2> /dev/null || true")).trim().split("\n");
    expect(lines.filter((line, index) => line !== "" && line !== String(index + 1))).toEqual([]);
  });

  test("and sheds the layers that nothing needs", async () => {
    for (const name of ["two", "three", "moment"]) await bench.output(["snapshot", "delete", id, name]);
    await reset("baseline");
    const layers = await bench.layers(id);
    expect(layers.filter((name) => /^\d+\.qcow2$/.test(name))).toHaveLength(3);
  });

  test("with what was pushed into the baseline, and without it to an older snapshot", async () => {
    await reset("baseline");
    await bench.sh(id, "mkdir vendor; echo own > vendor/own; echo edited > dir; echo kept > kept");
    await bench.output(["snapshot", "create", id, "before-push"]);
    const deps = bench.hostPath("deps");
    mkdirSync(join(deps, "lib"), { recursive: true });
    writeFileSync(join(deps, "lib", "a.txt"), "dependency\n");
    const busy = bench.sh(id, "cd vendor; sleep 4; cat own lib/a.txt");
    const push = ["sync", "push", id, deps, "--dest", "vendor", "--baseline"];
    expect(await bench.json(push)).toMatchObject({ baseline: true, entry_count: 2, bytes_written: 11 });
    expect(await busy).toBe("own\ndependency\n");
    const changed = async () =>
      (await bench.json(["diff", id])).entries.map(({ path }: Json) => path.replace("/workspace/", ""));
    // The directory of what was pushed is in the baseline too.
    expect(await changed()).toEqual(["dir", "kept", "vendor/own"]);
    await bench.sh(id, "echo patched >> vendor/lib/a.txt");
    expect(await changed()).toEqual(["vendor/lib/a.txt", "dir", "kept", "vendor/own"]);
    await bench.output(["stop", id]);
    await bench.output(["start", id]);
    expect(await changed()).toEqual(["vendor/lib/a.txt", "dir", "kept", "vendor/own"]);

    await reset("baseline");
    expect(await changed()).toEqual([]);
    expect(await bench.sh(id, "find . -type f | xargs cat; ls -A")).toBe("dependency\nvendor\n");
    await bench.sh(id, "rm -r vendor");
    expect(await changed()).toEqual(["vendor", "vendor/lib", "vendor/lib/a.txt"]);
    await bench.json(push);
    expect(await changed()).toEqual([]);
    await reset("before-push");
    expect(await changed()).toEqual(["dir", "kept", "vendor", "vendor/own"]);
    await reset("baseline");
    expect(await bench.sh(id, "cat vendor/lib/a.txt; ls -A")).toBe("dependency\nvendor\n");
    const snapshots = (await bench.json(["snapshot", "list", id])).snapshots;
    expect(snapshots[0]).toMatchObject({ snapshot_name: "baseline", kind: "baseline" });
    await bench.output(["snapshot", "delete", id, "before-push"]);
  });
});
