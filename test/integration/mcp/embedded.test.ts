import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createServer, Pyro, type ServerOptions } from "../../../src/index.ts";
import { eras, McpSession } from "../../helpers/mcp.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro embedded "));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const make = (options: ServerOptions = {}) =>
  new Pyro({ env: { ...process.env, PYRO_STATE_DIR: join(dir, "state") } }).createServer({
    noProjectSource: true,
    ...options,
  });

test("an embedded server serves clients of both eras at once, as the options say", async () => {
  await using server = await make({ environment: "debian:12-build" });
  const sessions = await Promise.all(
    eras.map(async (era) => {
      const [ours, theirs] = InMemoryTransport.createLinkedPair();
      await server.connect(theirs);
      return McpSession.over(ours, { era });
    }),
  );
  for (const session of sessions) {
    expect(await session.ok("workspace_list")).toEqual({ count: 0, workspaces: [] });
    const { tools } = await session.client.listTools();
    expect(tools.map(({ name }) => name)).toContain("vm_run");
    const create = tools.find(({ name }) => name === "workspace_create");
    expect(create?.description).toContain("Without seed_path it begins empty.");
    expect(JSON.stringify(create?.inputSchema)).toContain('"default":"debian:12-build"');
    expect(session.client.getInstructions()).toContain("debian:12-build is Debian 12");
    await session[Symbol.asyncDispose]();
  }
});

test("it leaves the program's streams and signals alone", async () => {
  const events = ["SIGINT", "SIGTERM", "SIGHUP", "exit", "beforeExit", "uncaughtException"];
  const listeners = () => [
    ...events.map((event) => process.listenerCount(event)),
    ...[process.stdin, process.stdout].flatMap((stream) =>
      stream.eventNames().map((name) => stream.listenerCount(name)),
    ),
  ];
  const before = listeners();
  const server = await make({ mode: "inspect" });
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  await server.connect(theirs);
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(ours);
  expect(listeners()).toEqual(before);

  const closed = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  await server.close();
  await closed;
  await server.close();
  await expect(server.connect(theirs)).rejects.toMatchObject({ code: "failed_precondition" });
});

test("a transport that does not start is the caller's to know of", async () => {
  const errors: string[] = [];
  await using server = await make({ onError: ({ message }) => errors.push(message) });
  const broken = {
    start: () => Promise.reject(new Error("no such pipe")),
    send: async () => {},
    close: async () => {},
  };
  await expect(server.connect(broken)).rejects.toThrow("no such pipe");
  expect(errors).toEqual(["no such pipe"]);
});

test("a transport that does not start is closed, and one that does not close is not waited for", async () => {
  const server = await make();
  const closed: string[] = [];
  const transport = (name: string, start: () => Promise<void>) => ({
    start,
    send: async () => {},
    close: () => {
      closed.push(name);
      return new Promise<void>(() => {});
    },
  });
  const broken = transport("broken", () => Promise.reject(new Error("no such pipe")));
  await expect(server.connect(broken)).rejects.toThrow("no such pipe");
  expect(closed).toEqual(["broken"]);
  await server.connect(transport("mute", async () => {}));
  await server.close();
  expect(closed).toEqual(["broken", "mute"]);
});

test.each<[ServerOptions, RegExp]>([
  [{ mode: "inspect", profile: "vm-run" }, /cannot use mode inspect with profile vm-run/],
  [{ mode: "flight" }, /there is no such mode/],
  [{ networkPolicy: "open" as never }, /cannot use networkPolicy open: there is no such policy/],
  [{ environment: "debian:99" }, /unknown environment 'debian:99'/],
  [{ projectPath: "." }, /cannot use noProjectSource with a project source/],
  [{ noProjectSource: false, projectPath: "/nonexistent" }, /nonexistent/],
  [{ allowHosts: ["example.com"] }, /the guest has no way out/],
])("%j is refused", async (options, reason) => {
  await expect(make(options)).rejects.toThrow(reason);
});

test("the function of the package is the method with the process's own variables", async () => {
  await using server = await createServer({ profile: "vm-run", noProjectSource: true });
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  await server.connect(theirs);
  await using session = await McpSession.over(ours, {});
  expect((await session.client.listTools()).tools.map(({ name }) => name)).toEqual(["vm_run"]);
});
