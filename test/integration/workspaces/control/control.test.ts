import { mkdtemp, rm, stat } from "node:fs/promises";
import { connect as connectPath, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { encodeFrame, type Frame, framesOf, frameType } from "../../../../src/guest/frames.ts";
import { call, callSupervisor, connectSupervisor } from "../../../../src/workspaces/control/client.ts";
import { controlFrame, controlVersion } from "../../../../src/workspaces/control/protocol.ts";
import { ControlServer, type Handlers } from "../../../../src/workspaces/control/server.ts";
import { WorkspacePlace } from "../../../../src/workspaces/record/store.ts";
import { eventually } from "../../../helpers/processes.ts";
import { workspaceRecord } from "../../../helpers/workspace-record.ts";

const soonMs = 20_000;

let place: WorkspacePlace;
let shortDir: string;
const cleanups: (() => unknown)[] = [];
beforeEach(async () => {
  // Longer than a socket's path may be.
  const parent = await mkdtemp(join(tmpdir(), `pyro-${"x".repeat(100)}-`));
  shortDir = await mkdtemp(join(tmpdir(), "pyro-"));
  for (const dir of [parent, shortDir]) cleanups.push(() => rm(dir, { recursive: true }));
  place = new WorkspacePlace(parent, "");
});
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).toReversed()) await cleanUp();
});

const unused = () => Promise.reject(new Error("not expected"));
/** A supervisor that does what a test wants, and nothing else. */
async function serve(handlers: Partial<Handlers>): Promise<ControlServer> {
  const all: Handlers = {
    ...{
      exec: unused,
      awaitCommand: unused,
      readTree: unused,
      treeChanges: unused,
      writeTree: unused,
      recordExport: unused,
    },
    ...{ createSnapshot: unused, deleteSnapshot: unused, reset: unused, update: unused, stop: unused, delete: unused },
    ...handlers,
  };
  const server = await ControlServer.listen(place.dir, all);
  cleanups.push(() => server.close(0).catch(() => {}));
  return server;
}

async function connect(): Promise<Socket> {
  const socket = await connectSupervisor(place);
  if (!socket) throw new Error("nobody listens");
  cleanups.push(() => void socket.destroy());
  return socket;
}

/** A supervisor that says these frames when it is asked for something, and hangs up if told so. */
async function serveFrames(frames: readonly Buffer[], hangsUp: boolean): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      for (const frame of frames) socket.write(frame);
      if (hangsUp) socket.end();
    });
    cleanups.push(() => void socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(join(shortDir, "short"), resolve));
  cleanups.push(() => void server.close());
}

const json = (type: number, value: unknown) => encodeFrame(type, Buffer.from(JSON.stringify(value)));
const accepted = encodeFrame(controlFrame.accepted, Buffer.alloc(0));
const alive = encodeFrame(controlFrame.alive, Buffer.alloc(0));
const exec = { argv: ["true"], timeoutMs: 1000, stdin: false };
const ending = {
  ...{
    sequence: 1,
    cwd: "/workspace",
    exitCode: 0,
    signal: null,
    timedOut: false,
    cancelled: false,
  },
  ...{
    oomKilled: false,
    startError: null,
    syncError: null,
    unknownReason: null,
    durationMs: 1,
    stdoutBytes: 0,
    stderrBytes: 0,
    running: false,
  },
};

test("a call has its input's and its result's names and types on the other side", async () => {
  const record = workspaceRecord({ labels: { camelCase: "1", snake_case: "2" } });
  const seen: unknown[] = [];
  await serve({
    update: async (input) => {
      seen.push(input);
      return record;
    },
  });
  const input = { name: null, setLabels: { someKey: "naïve" }, clearLabels: ["other_key"] };
  expect(await call(await connect(), "update", input)).toEqual(record);
  expect(seen).toEqual([input]);
});

test("frames go both ways, and are not mixed with those of the call itself", async () => {
  await serve({
    async exec(_, { frames, send }) {
      for await (const { type, payload } of frames) {
        if (type === frameType.stdinEnd) break;
        await send(frameType.stdout, Buffer.from(payload.toString().toUpperCase()));
      }
      return ending;
    },
  });
  async function* body(): AsyncGenerator<Buffer> {
    for (const word of ["a", "b"]) yield encodeFrame(frameType.stdin, Buffer.from(word));
    yield encodeFrame(frameType.stdinEnd, Buffer.alloc(0));
  }
  const frames = callSupervisor(await connect(), "exec", { ...exec, stdin: true }, { body: body() });
  const seen: string[] = [];
  for (;;) {
    const next = await frames.next();
    if (next.done) {
      expect(next.value).toEqual(ending);
      break;
    }
    seen.push(`${next.value.type} ${next.value.payload}`);
  }
  expect(seen).toEqual([`${frameType.stdout} A`, `${frameType.stdout} B`]);
});

test("an error keeps its code, hint and details", async () => {
  await serve({
    stop: () => Promise.reject(new PyroError("failed_precondition", "it is so", { hint: "Do it.", details: { a: 1 } })),
  });
  await expect(call(await connect(), "stop", {})).rejects.toMatchObject({
    ...{ code: "failed_precondition", message: "it is so", hint: "Do it.", details: { a: 1 } },
  });
});

test("an error that is none of ours is an internal one", async () => {
  await serve({ stop: () => Promise.reject(new TypeError("a bug")) });
  await expect(call(await connect(), "stop", {})).rejects.toMatchObject({ code: "internal", message: "a bug" });
});

test.each<["signal" | "disconnect"]>([["signal"], ["disconnect"]])(
  "a call is cancelled for its handler by a %s of the caller",
  async (how) => {
    let cancelled: unknown;
    let begun = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    await serve({
      exec: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            cancelled = signal.reason;
            reject(new Error("told"));
          });
          begun();
        }),
    });
    const controller = new AbortController();
    const socket = await connect();
    const work = call(socket, "exec", exec, { signal: controller.signal });
    const refused = expect(work).rejects.toMatchObject(how === "signal" ? { code: "cancelled" } : {});
    await hasBegun;
    if (how === "signal") controller.abort();
    else socket.destroy();
    await refused;
    await eventually(async () => cancelled !== undefined, soonMs, "the handler is told");
  },
);

test("a call that was cancelled before it began is not made", async () => {
  await serve({});
  const work = call(await connect(), "stop", {}, { signal: AbortSignal.abort() });
  await expect(work).rejects.toMatchObject({ code: "cancelled" });
});

test("input that fails on the caller's side is what the caller hears of", async () => {
  await serve({
    async writeTree(_, { frames }) {
      for await (const _ of frames);
      return { entryCount: 0, bytesWritten: 0 };
    },
  });
  async function* body(): AsyncGenerator<Buffer> {
    yield encodeFrame(frameType.stdin, Buffer.alloc(10));
    throw new PyroError("not_found", "the file is gone");
  }
  const work = call(await connect(), "writeTree", { kind: "sync_push", path: "/workspace" }, { body: body() });
  await expect(work).rejects.toMatchObject({ code: "not_found", message: "the file is gone" });
});

test.each<[string, object]>([
  ["of another version", { version: controlVersion + 1, verb: "stop", input: {} }],
  ["for something unknown", { version: controlVersion, verb: "fly", input: {} }],
  ["for something that every object has", { version: controlVersion, verb: "constructor", input: {} }],
])("a request %s is refused before anything is done", async (_what, request) => {
  await serve({});
  const reply = await firstReply(json(controlFrame.request, request));
  expect(reply).toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("another version of pyro"),
  });
});

test.each<[string, Buffer]>([
  [
    "whose input does not fit",
    json(controlFrame.request, { version: controlVersion, verb: "exec", input: { argv: 1 } }),
  ],
  ["that is no request", json(controlFrame.result, {})],
  ["that is larger than any may be", Buffer.from([controlFrame.request, 0xff, 0xff, 0xff, 0xff])],
])("a message %s is an invalid argument", async (_what, bytes) => {
  await serve({});
  expect(await firstReply(bytes)).toMatchObject({ code: "invalid_argument" });
});

test("callers that talk nonsense do not disturb the others", async () => {
  await serve({ stop: async () => workspaceRecord() });
  for (const bytes of [Buffer.alloc(1000, 0xff), json(controlFrame.request, []), Buffer.from([1]), Buffer.alloc(0)]) {
    const socket = await connect();
    socket.end(bytes);
  }
  expect(await call(await connect(), "stop", {})).toMatchObject({ state: "started" });
});

test.each<[string, Buffer[], string]>([
  ["before it has accepted the call, nothing happened", [alive], "unavailable"],
  ["after that, it may have happened", [accepted], "outcome_unknown"],
  ["in the middle of a frame, it may have happened", [accepted, accepted.subarray(0, 3)], "outcome_unknown"],
])("when a supervisor is lost %s", async (_what, frames, code) => {
  await serveFrames(frames, true);
  const work = call(await connectTo("short"), "stop", {});
  await expect(work).rejects.toMatchObject({
    code,
    message: expect.stringContaining("lost the workspace's supervisor"),
  });
});

test("when a supervisor is lost that only read, nothing happened", async () => {
  await serveFrames([accepted], true);
  const frames = callSupervisor(await connectTo("short"), "treeChanges", { contentLimit: 0 }, {});
  await expect(frames.next()).rejects.toMatchObject({ code: "unavailable" });
});

test("a supervisor that only says that it lives is waited for, one that says nothing is given up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    let say = (_: Buffer) => {};
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(accepted);
      say = (frame) => void socket.write(frame);
      cleanups.push(() => void socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(join(shortDir, "short"), resolve));
    cleanups.push(() => void server.close());
    let outcome: unknown;
    const work = call(await connectTo("short"), "stop", {}).catch((error: unknown) => {
      outcome = error;
    });
    const pass = async (ms: number) => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      await vi.advanceTimersByTimeAsync(ms);
    };
    for (let round = 0; round < 20; round++) {
      say(alive);
      await pass(10_000);
    }
    expect(outcome).toBeUndefined();
    await pass(120_000);
    await work;
    expect(outcome).toMatchObject({ code: "outcome_unknown", message: expect.stringContaining("timed out") });
  } finally {
    vi.useRealTimers();
  }
});

test("a long answer reaches a caller that reads slowly, at its pace", async () => {
  let sent = 0;
  const chunk = Buffer.alloc(256 * 1024, "x");
  const total = 100;
  await serve({
    async exec(_, { send }) {
      for (; sent < total; sent++) await send(frameType.stdout, chunk);
      return ending;
    },
  });
  const frames = callSupervisor(await connect(), "exec", exec, {});
  await frames.next();
  await sleep(300);
  expect(sent).toBeLessThan(total);
  let received = 1;
  for (let next = await frames.next(); !next.done; next = await frames.next()) received++;
  expect(received).toBe(total);
});

test("a caller that stops reading and goes away sets its handler free", async () => {
  let isOver = false;
  await serve({
    async exec(_, { send, signal }) {
      while (!signal.aborted) await send(frameType.stdout, Buffer.alloc(256 * 1024));
      isOver = true;
      return ending;
    },
  });
  const socket = await connect();
  await callSupervisor(socket, "exec", exec, {}).next();
  socket.destroy();
  await eventually(async () => isOver, soonMs, "the handler ends");
});

test("nobody listens where nobody serves, or has ceased to", async () => {
  expect(await connectSupervisor(place)).toBeUndefined();
  expect(await connectSupervisor(new WorkspacePlace(place.dir, "absent"))).toBeUndefined();
  const server = await serve({});
  await stat(join(place.dir, "supervisor.sock"));
  await server.close(0);
  expect(await connectSupervisor(place)).toBeUndefined();
});

test("a server that closes lets calls that are over have their answer", async () => {
  const server = await serve({ stop: async () => workspaceRecord({ state: "stopped" }) });
  const socket = await connect();
  const work = call(socket, "stop", {});
  const answer = expect(work).resolves.toMatchObject({ state: "stopped" });
  await sleep(0);
  await answer;
  await server.close(1000);
});

test("a request too long to be sent says what to do", async () => {
  await serve({});
  const work = call(await connect(), "exec", { ...exec, argv: ["x".repeat(2 ** 20)] });
  await expect(work).rejects.toMatchObject({
    code: "invalid_argument",
    hint: expect.stringContaining("to a file first"),
  });
});

async function firstReply(bytes: Buffer): Promise<unknown> {
  const socket = await connect();
  socket.write(bytes);
  const seen: Frame[] = [];
  for await (const frame of framesOf(socket)) seen.push(frame);
  const last = seen.at(-1);
  expect(last?.type).toBe(controlFrame.error);
  return JSON.parse(last?.payload.toString() ?? "");
}

async function connectTo(name: string): Promise<Socket> {
  const socket = connectPath(join(shortDir, name));
  cleanups.push(() => void socket.destroy());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.on("error", () => {});
  return socket;
}
