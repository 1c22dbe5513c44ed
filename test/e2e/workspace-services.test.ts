import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeServices } from "../cases/workspace-services.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm, workspaceInVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

describeWithVm("services of a workspace", () => describeServices(workspaceInVm));

describeWithVm("the machine of services", () => {
  let bench: Workbench;
  let workspaceId: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    workspaceId = await bench.create({ networkPolicy: "egress+published-ports", allow: ["npm"] });
  });
  afterAll(() => bench[Symbol.asyncDispose]());
  const call = (operation: string, input: object = {}): Promise<Json> =>
    bench.sdk.call(`workspace.${operation}`, { workspaceId, ...input });
  const serve = (serviceName: string, more: object = {}) =>
    call("service.start", { serviceName, command: "exec python3 -m http.server 8000", readyTcp: "8000", ...more });

  test.each(["cli", "mcp"] as const)("runs them for the %s as for the library", async (which) => {
    const serviceName = `of-${which}`;
    const on = (operation: string, input: object = {}): Promise<Json> =>
      bench[which].call(`workspace.service.${operation}`, { workspaceId, ...input });
    const command = ["sh", "-c", "echo up; exec sleep 100"];
    expect(await on("start", { serviceName, command, readyLog: "up" })).toMatchObject({
      state: "running",
      readiness: { type: "log", pattern: "up", tries: expect.any(Number) },
    });
    expect(await on("status", { serviceName })).toMatchObject({ service_name: serviceName, process_count: 1 });
    expect((await on("list")).services).toMatchObject([{ service_name: serviceName }]);
    expect((await on("logs", { serviceName })).lines).toMatchObject([{ stream: "stdout", text: "up" }]);
    expect(await on("stop", { serviceName })).toMatchObject({ state: "stopped", log_tail: ["up"] });
    await call("reset");
  });

  test("tells of what they were denied", async () => {
    const command = "curl -s http://evil.example/; echo done; sleep 100";
    const { network } = await call("service.start", { serviceName: "caller", command, readyLog: "done" });
    expect(network.denied).toMatchObject([{ host: "evil.example", process: "curl" }]);
    await call("service.stop", { serviceName: "caller" });
  });

  test("is stopped with them, and started without", async () => {
    const { published_ports: ports } = await serve("web", { publish: ["8000"] });
    expect((await fetch(`http://127.0.0.1:${ports[0].host_port}/`)).status).toBe(200);
    await call("stop");
    await call("start");
    expect(await call("service.status", { serviceName: "web" })).toMatchObject({
      ...{ state: "stopped", stop_reason: "workspace_stopped", published_ports: [] },
      log_tail: [expect.stringContaining("GET /")],
    });
    expect(await call("port.list")).toMatchObject({ ports: [] });
  });

  test("forgets them with a reset", async () => {
    await serve("web");
    await call("reset");
    expect(await call("service.list")).toMatchObject({ count: 0, services: [] });
    expect(await serve("web")).toMatchObject({ generation: 1, state: "running" });
  });

  test("takes them along when it dies, which they say", async () => {
    const { guardian } = JSON.parse(
      await readFile(join(bench.cache.workspacesDir, workspaceId, "workspace.json"), "utf8"),
    );
    process.kill(-guardian.pid, "SIGKILL");
    await expect
      .poll(() => call("service.status", { serviceName: "web" }), { timeout: 60_000 })
      .toMatchObject({ state: "failed", stop_reason: "machine_died", ended_at: null });
    expect(await call("status")).toMatchObject({ state: "failed", service_count: 1, running_service_count: 0 });
    await call("start");
    expect(await serve("web")).toMatchObject({ generation: 2, state: "running" });
  });
});
