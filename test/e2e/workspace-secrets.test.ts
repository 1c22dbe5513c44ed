import { appendFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPyro } from "../helpers/cli.ts";
import { printer } from "../helpers/printer.ts";
import { eventually, killIfThere } from "../helpers/processes.ts";
import { tracesBelow, tracesIn } from "../helpers/secret-traces.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const literal = 'literal/é+"value" 1';
const ofHost = "value-of-a-variable";
const ofFile = "value-of-a-file";
const values = [literal, ofHost, ofFile];

/** What is the same for all workspaces, and the disk that was there before the secrets */
const shared = /^(?:environments|templates|seeds|host)(?:\/|$)|seed\.ext4$/;

describeWithVm("secrets of a workspace in a VM", () => {
  let bench: Workbench;
  let workspaceId: string;
  beforeAll(async () => {
    bench = await Workbench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());
  const call = (operation: string, input: object = {}): Promise<Json> =>
    bench.sdk.call(`workspace.${operation}`, { workspaceId, ...input });
  const traces = () => tracesBelow(bench.cache.dir, values, shared);
  const print = (size: number) => ["python3", "-c", printer, String(size)];

  test("are given on the command line, which warns of a value in it", async () => {
    await appendFile(bench.hostPath("value"), ofFile);
    const flags = ["--secret", `A=${literal}`, "--secret", "B", "--secret-file", `C=${bench.hostPath("value")}`];
    const created = await bench.run(["create", ...flags, "--id-only"], { env: { B: ofHost } });
    expect(created.stderr.toString()).toContain("[warning] lists of processes show values on a command line (A)");
    workspaceId = created.stdout.toString().trim();
    expect((await call("status")).secrets).toMatchObject([
      { name: "A", source_kind: "literal", available: true },
      { name: "B", source_kind: "env", available: true },
      { name: "C", source_kind: "file", available: true },
    ]);
  });

  test("are in no stream and no file of the host, however hard the guest tries", async () => {
    for (const [secret, size] of Object.entries({ A: 0, B: 7, C: 1 })) {
      const words = ["exec", workspaceId, "--secret-env", `${secret}=SECRET`, "--", ...print(size)];
      const { exitCode, stdout, stderr } = await bench.run(words);
      expect([exitCode, tracesIn(stdout, values)]).toEqual([0, []]);
      expect(tracesIn(stderr, values)).toEqual([]);
      expect(stdout.toString()).toContain("<[REDACTED]>");
    }
    const service = { serviceName: "printer", command: print(64), secretEnv: { A: "SECRET" } };
    expect(tracesIn(JSON.stringify(await call("service.start", service)), values)).toEqual([]);
    await call("service.stop", { serviceName: "printer" });
    await call("exec", {
      command: "cat /run/pyro-secrets/* > /dev/console; getent hosts $(cat /run/pyro-secrets/C).example",
    });
    expect(tracesIn(JSON.stringify([await call("logs"), await call("summary"), await call("status")]), values)).toEqual(
      [],
    );
    // The disks too: nothing of this was to be written there.
    expect(traces()).toEqual([]);
  });

  test("stay with a reset", async () => {
    await call("reset");
    const { stdout, redacted_count: count } = await call("exec", { command: "cat /run/pyro-secrets/A" });
    expect([stdout, count]).toEqual(["[REDACTED]", 1]);
  });

  test("are on no disk of the host after its supervisor was killed, and a literal is gone", async () => {
    const words = ["workspace", "exec", workspaceId, "--secret-env", "A=SECRET", "--", "sh", "-c"];
    const child = startPyro([...words, 'while printf %s "$SECRET"; do :; done'], { env: bench.env });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    child.stdout?.resume();
    const isSupervisor = ({ commandLine }: { commandLine: string }) => commandLine.includes("supervisor.js run");
    for (const { pid } of (await bench.processes()).filter(isSupervisor)) killIfThere(pid);
    await eventually(async () => (await call("status")).state === "failed", 20_000, "the loss is on file");
    expect(traces()).toEqual([]);
    expect((await call("start")).secrets).toMatchObject([
      { name: "A", available: false },
      { name: "B", available: false },
      { name: "C", available: true },
    ]);
    const refused = await bench.sdk.refusal("workspace.exec", { workspaceId, command: "true", secretEnv: { A: "X" } });
    expect(refused).toMatchObject({
      code: "failed_precondition",
      message: "cannot use secret 'A': its value has gone with a stop of the workspace",
    });
    await call("start", { secrets: [{ name: "A", value: literal }] });
    const { stdout } = await call("exec", { command: 'printf "%s" "$X $Y"', secretEnv: { A: "X", C: "Y" } });
    expect(stdout).toBe("[REDACTED] [REDACTED]");
    expect(traces()).toEqual([]);
  });
});
