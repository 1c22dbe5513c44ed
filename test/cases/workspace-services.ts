import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../helpers/surfaces.ts";
import type { WorkspaceUnderTest } from "./workspace.ts";

/** A server that writes to both streams, and answers 503 before a file is there. */
const server = `
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = os.path.exists("/tmp/ready") or self.path != "/health"
        self.send_response(200 if ready else 503)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass
class Server(http.server.HTTPServer):
    if ":" in sys.argv[1]: address_family = __import__("socket").AF_INET6
listener = Server((sys.argv[1], int(sys.argv[2])), Handler)
print("serving on", sys.argv[2], flush=True)
print("a warning", file=sys.stderr, flush=True)
listener.serve_forever()
`;

/** What services of a workspace do, in a VM and without one. */
export function describeServices(open: () => Promise<WorkspaceUnderTest>): void {
  let subject: WorkspaceUnderTest;
  beforeAll(async () => {
    subject = await open();
    await call("file.write", { path: "server.py", text: server });
  });
  afterAll(async () => {
    await subject[Symbol.asyncDispose]();
  });
  const call = (operation: string, input: Record<string, unknown> = {}): Promise<Json> =>
    subject.bench.sdk.call(`workspace.${operation}`, { workspaceId: subject.workspaceId, ...input });
  const refusal = (operation: string, input: Record<string, unknown> = {}) =>
    subject.bench.sdk.refusal(`workspace.${operation}`, { workspaceId: subject.workspaceId, ...input });
  const sh = async (script: string) => (await call("exec", { command: ["sh", "-c", script] })) as Json;
  const start = (serviceName: string, command: string | readonly string[], more: Record<string, unknown> = {}) =>
    call("service.start", { serviceName, command, ...more });
  const serve = (address: string, port: number) => ["python3", "server.py", address, String(port)];
  const stop = (serviceName: string, more = {}) => call("service.stop", { serviceName, ...more });

  test("are ready by a port, and say where they listen and what they use", async () => {
    const started = await start("web", serve("::1", 8101), { readyTcp: "8101", readyIntervalMs: 50 });
    expect(started).toMatchObject({
      ...{ service_name: "web", generation: 1, state: "running", stop_reason: null, exit_code: null },
      readiness: { type: "tcp", address: "8101", last_failure: null },
      listening: [{ address: "::1", port: 8101, command: "python3", pid: expect.any(Number) }],
      process_count: 1,
      log_tail: [],
    });
    expect(started.ready_at).toMatch(/^20/);
    expect(await refusal("service.start", { serviceName: "web", command: ["true"] })).toMatchObject({
      code: "failed_precondition",
      message: "cannot start service 'web': it is running",
    });
    const stopped = await stop("web");
    expect(stopped).toMatchObject({ state: "stopped", stop_reason: "stopped", exit_code: 143, signal: "SIGTERM" });
    expect(await stop("web")).toEqual(stopped);
  });

  test("keep both streams with times, also after their end", async () => {
    const { lines, truncated } = await call("service.logs", { serviceName: "web" });
    expect(truncated).toBe(false);
    expect(lines.map(({ stream, text }: Json) => [stream, text]).toSorted()).toEqual([
      ["stderr", "a warning"],
      ["stdout", "serving on 8101"],
    ]);
    expect(lines[0].at).toMatch(/^20.*Z$/);
    const last = await call("service.logs", { serviceName: "web", tailLines: 1 });
    expect(last).toMatchObject({ truncated: true, tail_lines: 1, lines: [lines.at(-1)] });
  });

  test("are ready by a URL, once it answers as it should", async () => {
    const url = "http://127.0.0.1:8102/health";
    const refused = await start("api", serve("127.0.0.1", 8102), {
      ...{ readyHttp: url, readyTimeoutSeconds: 2, readyIntervalMs: 50 },
    });
    expect(refused).toMatchObject({
      ...{ state: "failed", stop_reason: "readiness_timeout", ready_at: null },
      // A slow machine may not have started Python by then.
      readiness: {
        type: "http",
        url,
        last_failure: expect.stringMatching(/^(\/health answered 503|connection refused at)/),
      },
    });
    expect((await sh("pgrep -fc '[s]erver.py 127.0.0.1 8102' || true")).stdout).toBe("0\n");
    await sh("touch /tmp/ready");
    expect(await start("api", serve("127.0.0.1", 8102), { readyHttp: url })).toMatchObject({
      state: "running",
      generation: 2,
    });
    await stop("api");
  });

  test.each([
    ["a file", { readyFile: "made" }, "sleep 0.2; touch made; sleep 100"],
    ["a command", { readyCommand: "test -e /workspace/done" }, "sleep 0.2; touch done; sleep 100"],
    [
      "a line of its log",
      { readyLog: "^up in \\d+ ms$" },
      "echo begin; printf 'up in '; sleep 0.2; echo 7 ms; sleep 100",
    ],
  ])("are ready by %s", async (_what, readiness, script) => {
    expect(await start("job", ["sh", "-c", script], { ...readiness, readyIntervalMs: 50 })).toMatchObject({
      state: "running",
      ready_at: expect.any(String),
    });
    await stop("job");
  });

  test("that end before they are ready say how at once", async () => {
    const failed = await start("job", ["sh", "-c", "sleep 0.5; echo cannot bind >&2; exit 3"], {
      readyTcp: "8103",
      readyIntervalMs: 50,
    });
    expect(failed).toMatchObject({
      ...{ state: "failed", stop_reason: "exited_before_ready", exit_code: 3, log_tail: ["cannot bind"] },
      readiness: { last_failure: expect.stringContaining("connection refused at 127.0.0.1:8103 and [::1]:8103") },
    });
    expect(await start("job", ["no-such-program"])).toMatchObject({
      state: "failed",
      exit_code: 127,
      start_error: "cannot run 'no-such-program': command not found",
    });
  });

  test("that end by themselves later have their exit code and time", async () => {
    await start("job", ["sh", "-c", "sleep 0.6; exit 4"]);
    await expect
      .poll(() => call("service.status", { serviceName: "job" }), { timeout: 30_000 })
      .toMatchObject({ state: "exited", stop_reason: "exited", exit_code: 4, ended_at: expect.any(String) });
  });

  test("may leave their work to processes that they started, and end with the last one", async () => {
    const script = "setsid sh -c 'echo $$ > pid; echo child; exec sleep 1000' & exit 0";
    const started = await start("daemon", ["sh", "-c", script], { readyLog: "child" });
    expect(started).toMatchObject({ state: "running", process_count: 1, parent_exited_at: expect.any(String) });
    expect(await stop("daemon")).toMatchObject({ state: "stopped", exit_code: 0 });
    expect((await sh("kill -0 $(cat pid) 2>&1 || echo gone")).stdout).toContain("gone");
  });

  test("are ready with the line that says so, however long the pause between two tries is", async () => {
    const script = "head -c 9000 /dev/zero | tr '\\0' .; sleep 0.3; printf 'PROMPT> '; sleep 100";
    const readiness = { readyLog: "PROMPT> $", readyIntervalMs: 60_000, readyTimeoutSeconds: 50 };
    expect(await start("prompt", ["sh", "-c", script], readiness)).toMatchObject({ state: "running" });
    await stop("prompt");
  });

  test("leave nothing running that a command of theirs has started to see whether they are ready", async () => {
    const readiness = { readyCommand: "sleep 7081 & exit 1", readyTimeoutSeconds: 3, readyIntervalMs: 50 };
    expect(await start("job", ["sleep", "100"], readiness)).toMatchObject({
      state: "failed",
      readiness: { last_failure: "'sleep 7081 & exit 1' ended with 1" },
    });
    expect((await sh("pgrep -fc '[s]leep 7081' || true")).stdout).toBe("0\n");
  });

  test("that ignore SIGTERM are killed after a grace", async () => {
    await start("deaf", ["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.1; done"], { readyLog: "on" });
    expect(await stop("deaf", { graceSeconds: 0.3 })).toMatchObject({ state: "stopped", signal: "SIGKILL" });
  });

  test("keep the newest of a flood, and answer meanwhile", async () => {
    await start("flood", ["sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; done"], { readyLog: "line" });
    await expect
      .poll(async () => (await call("service.logs", { serviceName: "flood", tailLines: 1 })).lines[0].text, {
        timeout: 60_000,
      })
      .not.toBe("line 1");
    expect((await sh("echo works")).stdout).toBe("works\n");
    await stop("flood");
    const { lines } = await call("service.logs", { serviceName: "flood", all: true });
    const numbers = lines.map(({ text }: Json) => Number(text.split(" ")[1]));
    expect(numbers).toEqual(numbers.toSorted((a: number, b: number) => a - b));
  });

  test("are listed, counted and in the summary", async () => {
    await start("web", serve("127.0.0.1", 8104), { readyTcp: "8104" });
    const taken = { serviceName: "other", command: serve("127.0.0.1", 8104), readyTcp: "8104" };
    expect(await refusal("service.start", taken)).toMatchObject({
      code: "failed_precondition",
      message: "cannot wait for port 8104: something in the guest listens on it already",
    });
    const { services, count, running_count: running } = await call("service.list");
    expect([count, running]).toEqual([services.length, 1]);
    expect(services.map(({ service_name: name }: Json) => name)).toEqual([
      "web",
      "api",
      "job",
      "daemon",
      "prompt",
      "deaf",
      "flood",
    ]);
    expect(await call("status")).toMatchObject({ service_count: 7, running_service_count: 1 });
    expect((await call("summary")).services).toMatchObject({
      current: expect.arrayContaining([{ service_name: "web", state: "running" }]),
      recent: [{ event_kind: "service_start", service_name: "web" }, { event_kind: "service_stop" }, {}, {}, {}],
    });
    expect((await call("diff")).entries.map(({ path }: Json) => path)).not.toContain("service-web-1.jsonl");
  });

  test("are refused with names, readiness or ports that make no sense", async () => {
    const refusedWith = (input: Record<string, unknown>) =>
      refusal("service.start", { serviceName: "x", command: ["true"], ...input });
    for (const input of [
      { serviceName: "-x" },
      { readyTcp: "0" },
      { readyTcp: "example.com:80" },
      { readyHttp: "ftp://127.0.0.1/" },
      { readyHttp: "http://example.com/" },
      { readyFile: "/etc/passwd" },
      { readyLog: "(" },
      { readyTcp: "80", readyLog: "x" },
      { publish: ["0"] },
      { publish: ["1:2:3"] },
    ]) {
      expect(await refusedWith(input), JSON.stringify(input)).toMatchObject({ code: "invalid_argument" });
    }
    expect(await refusedWith({ publish: ["8105"] })).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("published ports require workspace network_policy"),
    });
    for (const operation of ["service.status", "service.stop", "service.logs"]) {
      expect(await refusal(operation, { serviceName: "absent" })).toMatchObject({ code: "not_found" });
    }
  });

  test("are published on this host as long as they run", async () => {
    await call("update", { networkPolicy: "published-ports" });
    const started = await start("shop", serve("127.0.0.1", 8106), { readyTcp: "8106", publish: ["8106"] });
    const [{ host_port: hostPort }] = started.published_ports;
    expect(await refusal("port.close", { guestPort: 8106 })).toMatchObject({
      code: "failed_precondition",
      message: "cannot close port 8106: it belongs to service 'shop'",
    });
    const answer = await fetch(`http://127.0.0.1:${hostPort}/`);
    expect(answer.status).toBe(200);
    expect(await stop("shop")).toMatchObject({ published_ports: [] });
    await expect(fetch(`http://127.0.0.1:${hostPort}/`)).rejects.toThrow();
  });

  test("stop with the workspace, and are known afterwards", async () => {
    await call("stop");
    expect(await call("service.status", { serviceName: "web" })).toMatchObject({
      state: "stopped",
      stop_reason: "workspace_stopped",
      log_tail: expect.arrayContaining(["serving on 8104"]),
    });
    expect(await call("status")).toMatchObject({ service_count: 8, running_service_count: 0 });
  });
}
