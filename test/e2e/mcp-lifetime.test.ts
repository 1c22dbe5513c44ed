import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type McpOptions, McpSession } from "../helpers/mcp.ts";
import { MuteClient } from "../helpers/mute-client.ts";
import { eventually, virtualMachinesOf } from "../helpers/processes.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const soonMs = 60_000;

describeWithVm("what goes on when calls, servers and clients end", () => {
  let bench: Workbench;
  let workspace_id: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    workspace_id = await bench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const open = (options: McpOptions = {}) =>
    McpSession.open({
      args: ["--no-project-source"],
      cwd: bench.hostPath(),
      ...options,
      env: { ...bench.env, ...options.env },
    });
  const isRunning = (marker: string) => bench.isSleeping(workspace_id, marker);
  const logged = async (marker: string): Promise<Json> =>
    (await bench.json(["logs", workspace_id])).entries.findLast(({ command }: Json) => command[0].includes(marker));
  const begins = (marker: string) =>
    eventually(async () => (await logged(marker))?.stdout === "begun\n", soonMs, `the command of ${marker} begins`);
  const endsCancelled = async (marker: string) => {
    await eventually(async () => (await logged(marker)).cancelled, soonMs, `the command of ${marker} is cancelled`);
    await eventually(async () => !(await isRunning(marker)), soonMs, `the command of ${marker} is gone`);
  };
  const command = (marker: string) => `echo begun; setsid sleep ${marker} & sleep ${marker}`;

  test("a cancelled call ends its command and nothing else", async () => {
    await using session = await open();
    const cancel = new AbortController();
    const args = { workspace_id, timeout_seconds: 600 };
    const cancelled = session.call("workspace_exec", { ...args, command: command("7101") }, cancel.signal);
    const other = session.call("workspace_exec", { ...args, command: "sleep 3; echo other" });
    const rejected = expect(cancelled).rejects.toThrow();
    await begins("7101");
    cancel.abort();
    await rejected;
    await endsCancelled("7101");
    expect((await other).structured).toMatchObject({ exit_code: 0, stdout: "other\n" });
  });

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "%s to the server ends its commands; the next server finds the workspace and its history",
    async (signal) => {
      const marker = signal === "SIGKILL" ? "7102" : "7103";
      const session = await open();
      const running = session.call("workspace_exec", { workspace_id, command: command(marker), timeout_seconds: 600 });
      // Told to end, it may still say that it cancelled what it was doing.
      const isLost = running.then(
        ({ isError }) => isError,
        () => true,
      );
      await begins(marker);
      process.kill(session.pid, signal);
      expect(await isLost).toBe(true);
      await endsCancelled(marker);
      await using next = await open();
      expect((await next.ok("workspace_list")).workspaces).toMatchObject([{ workspace_id, state: "started" }]);
      expect((await next.call("workspace_logs", { workspace_id })).text).toContain(marker);
      expect(await next.ok("workspace_exec", { workspace_id, command: "echo here" })).toMatchObject({
        stdout: "here\n",
      });
    },
  );

  test.each(["stdin", "stdout"] as const)(
    "a client that stops reading and then closes %s ends its commands",
    async (end) => {
      const marker = end === "stdin" ? "7105" : "7106";
      const client = new MuteClient(bench.env);
      client.call(9999, "workspace_exec", { workspace_id, command: command(marker), timeout_seconds: 600 });
      await begins(marker);
      client.flood(300);
      const exited = once(client.child, "exit");
      client.child[end]?.destroy();
      await exited;
      await endsCancelled(marker);
    },
  );

  test("a workspace that is being made when its server is killed is gone, machine and all", async () => {
    const before = await virtualMachinesOf(bench.cache.dir);
    for (const delayMs of [0, 100, 250, 400]) {
      const session = await open();
      const creating = session.call("workspace_create", { name: "unborn" });
      const lost = creating.catch(() => {});
      await sleep(delayMs);
      process.kill(session.pid, "SIGKILL");
      await lost;
    }
    const isClean = async () => {
      const { workspaces } = await bench.json(["list"]);
      // One whose making was over is its user's, and can be found.
      for (const { workspace_id: id, name } of workspaces) if (name === "unborn") await bench.run(["delete", id]);
      return (await virtualMachinesOf(bench.cache.dir)).length === before.length;
    };
    await eventually(isClean, soonMs, "no machine is left over");
  });

  test("a command that outlives its client's patience goes on, and is picked up by the next session", async () => {
    // Enough for the command to begin on a busy machine; it cannot end before it is let.
    const first = await open({ env: { PYRO_MCP_PATIENCE_SECONDS: "5" } });
    const left = await first.call("workspace_exec", {
      workspace_id,
      timeout_seconds: 600,
      command: "echo begun; until [ -e /tmp/go ]; do sleep 0.1; done; echo done; exit 5",
    });
    expect(left.isError).toBe(false);
    expect(left.structured).toMatchObject({ running: true, exit_code: null, stdout: "begun\n" });
    expect(left.text).toContain("workspace_logs");
    process.kill(first.pid, "SIGKILL");
    await using next = await open();
    await bench.sh(workspace_id, "touch /tmp/go");
    const { sequence } = left.structured;
    const { entries } = await next.ok("workspace_logs", { workspace_id, sequence, wait_seconds: 60 });
    expect(entries).toMatchObject([{ sequence, state: "ended", exit_code: 5, stdout: "begun\ndone\n" }]);
  });

  test("waiting longer than the client does is answered in time", async () => {
    // A fifth of it is left for the answer, on a busy machine too
    await using session = await open({ env: { PYRO_MCP_PATIENCE_SECONDS: "10" } });
    const { structured } = await session.call("workspace_exec", {
      workspace_id,
      timeout_seconds: 60,
      command: "sleep 7104",
    });
    const { sequence } = structured;
    const { entries } = await session.ok("workspace_logs", { workspace_id, sequence, wait_seconds: 600 });
    expect(entries).toMatchObject([{ sequence, state: "running" }]);
  });

  test("another long call goes on, and the same call picks it up", async () => {
    const env = { PYRO_MCP_PATIENCE_SECONDS: "1" };
    await using session = await open({ env });
    const args = { environment: "debian:12", command: "sleep 6; echo slept", timeout_seconds: 60 };
    const first = await session.call("vm_run", args);
    expect(first).toMatchObject({ isError: true, text: expect.stringContaining("same arguments") });
    let last = first;
    await eventually(
      async () => {
        last = await session.call("vm_run", args);
        return !last.isError;
      },
      soonMs,
      "the call is picked up",
    );
    expect(last.structured).toMatchObject({ exit_code: 0, stdout: "slept\n" });
    expect(last.structured.duration_ms).toBeGreaterThan(6_000);
  });

  test("a long call tells of its progress", async () => {
    await using session = await open();
    const messages: (string | undefined)[] = [];
    const onprogress = ({ message }: { message?: string | undefined }) => messages.push(message);
    const args = { workspace_id, command: "sleep 11", timeout_seconds: 60 };
    await session.client.callTool({ name: "workspace_exec", arguments: args }, { onprogress, timeout: soonMs });
    expect(messages).toEqual([expect.stringMatching(/^workspace_exec, 1\d s$/)]);
  });

  test("two servers use the same workspace, and others, without a trace of one another", async () => {
    await using one = await open();
    await using two = await open();
    const servers = [one, two];
    const ids = await Promise.all(servers.map(async (each) => (await each.ok("workspace_create")).workspace_id));
    const work = servers.flatMap((session, server) =>
      Array.from({ length: 6 }, async (_, turn) => {
        const marker = `${server}-${turn}`;
        const own = { workspace_id: ids[server] };
        const shared = { workspace_id };
        await session.ok("workspace_file_write", { ...own, path: "own", text: marker });
        await session.ok("workspace_file_write", { ...shared, path: `shared-${marker}`, text: marker });
        const said = await session.ok("workspace_exec", { ...shared, command: `cat shared-${marker}; ls | wc -l >&2` });
        expect(said).toMatchObject({ exit_code: 0, stdout: marker });
      }),
    );
    await Promise.all(work);
    const { entries } = await one.ok("workspace_file_list", { workspace_id });
    expect(entries.filter(({ path }: Json) => path.includes("shared-"))).toHaveLength(12);
    for (const [server, session] of servers.entries()) {
      const { content } = await session.ok("workspace_file_read", { workspace_id: ids[server], path: "own" });
      expect(content).toMatch(new RegExp(`^${server}-`));
      // Either can end what the other has made.
      await servers[1 - server]?.ok("workspace_delete", { workspace_id: ids[server] });
    }
  });
});
