import { once } from "node:events";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { connect as connectPath, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { encodeFrame, type Frame, framesOf } from "../../../../src/guest/frames.ts";
import { nothingKnown } from "../../../../src/machines/exit-status.ts";
import { changeVerbs } from "../../../../src/workspaces/change/verbs.ts";
import { commandVerbs } from "../../../../src/workspaces/command/verbs.ts";
import { call, SupervisorCall } from "../../../../src/workspaces/control/client.ts";
import { connectSupervisor, SupervisorConnection } from "../../../../src/workspaces/control/connection.ts";
import { controlFrame, controlVersion } from "../../../../src/workspaces/control/protocol.ts";
import { ControlServer, type Handlers, type OwnedVerb, owned } from "../../../../src/workspaces/control/server.ts";
import { fileVerbs } from "../../../../src/workspaces/file/verbs.ts";
import { lifeVerbs } from "../../../../src/workspaces/life/verbs.ts";
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

const verbs = { ...commandVerbs, ...fileVerbs, ...changeVerbs, ...lifeVerbs };

/** A supervisor that does what a test wants, and nothing else. */
async function serve(handlers: Partial<Handlers<typeof verbs>>): Promise<ControlServer> {
  const server = await listen();
  server.serve(verbsOf(handlers));
  return server;
}

/** A supervisor that takes connections and does not serve yet. */
async function listen(): Promise<ControlServer> {
  const server = await ControlServer.listen(place.dir);
  cleanups.push(() => server.close(0).catch(() => {}));
  return server;
}

function verbsOf(handlers: Partial<Handlers<typeof verbs>>): readonly OwnedVerb[] {
  const unused = () => Promise.reject(new Error("not expected"));
  const all = Object.fromEntries(Object.keys(verbs).map((name) => [name, unused]));
  return owned(verbs, { ...all, ...handlers } as Handlers<typeof verbs>);
}

async function connect(): Promise<SupervisorConnection> {
  const connection = await connectSupervisor(place);
  if (!connection) throw new Error("nothing listens");
  cleanups.push(() => connection.close());
  if (!(await connection.isReady())) throw new Error("it has ended");
  return connection;
}

/** A connection without what a caller does with it. */
async function connectBare(): Promise<Socket> {
  await stat(join(place.dir, "supervisor.sock"));
  const dir = await open(place.dir);
  const socket = connectPath(`/proc/self/fd/${dir.fd}/supervisor.sock`);
  cleanups.push(() => void socket.destroy());
  await once(socket, "connect").finally(() => dir.close());
  socket.on("error", () => {});
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
  ...nothingKnown,
  sequence: 1,
  cwd: "/workspace",
  running: false,
  exitCode: 0,
  durationMs: 1,
  stdoutBytes: 0,
  stderrBytes: 0,
  network: null,
  redactedCount: 0,
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
  expect(await call(await connect(), lifeVerbs.update, input)).toEqual(record);
  expect(seen).toEqual([input]);
});

test("bytes go both ways untouched, whatever they say, and are not mixed with those of the call itself", async () => {
  await serve({
    async exec(_, { body, send }) {
      for await (const piece of body) await send(piece);
      return ending;
    },
  });
  // As a guest would say them that wants to be taken for its supervisor.
  const sent = [json(controlFrame.result, {}), json(controlFrame.error, {}), Buffer.alloc(0), Buffer.from([0xff])];
  async function* body(): AsyncGenerator<Buffer> {
    yield* sent;
    yield Buffer.alloc(3 * 2 ** 20, "x");
  }
  const running = new SupervisorCall(await connect(), commandVerbs.exec, { ...exec, stdin: true }, { body: body() });
  const seen: Buffer[] = [];
  for await (const piece of running) seen.push(piece);
  expect(await running.result()).toEqual(ending);
  expect(Buffer.concat(seen)).toEqual(Buffer.concat([...sent, Buffer.alloc(3 * 2 ** 20, "x")]));
});

test("a caller can have the last word: after the data, before the result", async () => {
  await serve({
    async exportTree(_, { body, send, sendEnd }) {
      await send(Buffer.from("tree"));
      await sendEnd();
      const said: Buffer[] = [];
      for await (const piece of body) said.push(piece);
      expect(Buffer.concat(said).toString()).toBe("got tree");
      return {};
    },
  });
  let say = (_: string) => {};
  const last = new Promise<string>((resolve) => {
    say = resolve;
  });
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from(await last);
  }
  const read = { paths: [{ path: "" }], depth: 0, contentLimit: 0, digest: false, follow: false, allowSecrets: false };
  const made = new SupervisorCall(await connect(), fileVerbs.exportTree, read, { body: body() });
  const seen: string[] = [];
  for await (const piece of made) seen.push(String(piece));
  say(`got ${seen.join("")}`);
  expect(await made.result()).toEqual({});
});

test("a caller that stops reading early gives up its call", async () => {
  let cancelled = false;
  await serve({
    async exec(_, { send, signal }) {
      signal.addEventListener("abort", () => {
        cancelled = true;
      });
      while (!signal.aborted) await send(Buffer.alloc(1024));
      return ending;
    },
  });
  for await (const _ of new SupervisorCall(await connect(), commandVerbs.exec, exec)) break;
  await eventually(async () => cancelled, soonMs, "the handler is told");
});

test("callers wait on their connections for a start, however many, and are served when it is over", async () => {
  const server = await listen();
  const calls = Array.from({ length: 10 }, async () => call(await connect(), lifeVerbs.stop, {}));
  await sleep(50);
  server.serve(verbsOf({ stop: async () => workspaceRecord() }));
  for (const record of await Promise.all(calls)) expect(record).toMatchObject({ state: "started" });
});

test("a start that fails ends the waiting, and so does a caller that gives up", async () => {
  const server = await listen();
  const [first, second] = [await connectSupervisor(place), await connectSupervisor(place)];
  const controller = new AbortController();
  const [waiting, givenUp] = [first?.isReady(), second?.isReady(controller.signal)];
  const refused = expect(givenUp).rejects.toMatchObject({ code: "cancelled" });
  controller.abort();
  await refused;
  await server.close(0);
  expect(await waiting).toBe(false);
});

test("verbs of two nouns must not have the same name", async () => {
  const server = await listen();
  expect(() => server.serve([...verbsOf({}), ...verbsOf({})])).toThrow(/same name/);
});

test("an error keeps its code, hint and details", async () => {
  const details = { linkTarget: "/somewhere", line: 1 };
  await serve({
    stop: () => Promise.reject(new PyroError("failed_precondition", "it is so", { hint: "Do it.", details })),
  });
  await expect(call(await connect(), lifeVerbs.stop, {})).rejects.toMatchObject({
    code: "failed_precondition",
    message: "it is so",
    hint: "Do it.",
    details,
  });
});

test("an error that is none of ours is an internal one", async () => {
  await serve({ stop: () => Promise.reject(new TypeError("a bug")) });
  await expect(call(await connect(), lifeVerbs.stop, {})).rejects.toMatchObject({ code: "internal", message: "a bug" });
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
    const connection = await connect();
    const work = call(connection, commandVerbs.exec, exec, { signal: controller.signal });
    const refused = expect(work).rejects.toMatchObject(how === "signal" ? { code: "cancelled" } : {});
    await hasBegun;
    if (how === "signal") controller.abort();
    else connection.close();
    await refused;
    await eventually(async () => cancelled !== undefined, soonMs, "the handler is told");
  },
);

test("a call that was cancelled before it began is not made", async () => {
  await serve({});
  const work = call(await connect(), lifeVerbs.stop, {}, { signal: AbortSignal.abort() });
  await expect(work).rejects.toMatchObject({ code: "cancelled" });
});

test("input that fails on the caller's side is what the caller hears of", async () => {
  await serve({
    async writeTree(_, { body }) {
      for await (const _ of body);
      return { entryCount: 0, bytesWritten: 0 };
    },
  });
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10);
    throw new PyroError("not_found", "the file is gone");
  }
  const work = call(await connect(), fileVerbs.writeTree, { kind: "sync_push", path: "/workspace" }, { body: body() });
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
    const socket = await connectBare();
    socket.end(bytes);
  }
  expect(await call(await connect(), lifeVerbs.stop, {})).toMatchObject({ state: "started" });
});

test.each<[string, Buffer[], string]>([
  ["before it has accepted the call, nothing happened", [alive], "unavailable"],
  ["after that, it may have happened", [accepted], "outcome_unknown"],
  ["in the middle of a frame, it may have happened", [accepted, accepted.subarray(0, 3)], "outcome_unknown"],
])("when a supervisor is lost %s", async (_what, frames, code) => {
  await serveFrames(frames, true);
  const work = call(await connectTo("short"), lifeVerbs.stop, {});
  await expect(work).rejects.toMatchObject({
    code,
    message: expect.stringContaining("lost the workspace's supervisor"),
  });
});

test("when a supervisor is lost that only read, nothing happened", async () => {
  await serveFrames([accepted], true);
  const work = call(await connectTo("short"), changeVerbs.treeChanges, { contentLimit: 0 });
  await expect(work).rejects.toMatchObject({ code: "unavailable" });
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
    const work = call(await connectTo("short"), lifeVerbs.stop, {}).catch((error: unknown) => {
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
      for (; sent < total; sent++) await send(chunk);
      return ending;
    },
  });
  let received = 0;
  for await (const piece of new SupervisorCall(await connect(), commandVerbs.exec, exec)) {
    if (received === 0) await eventually(async () => sent > 0, soonMs, "it sends");
    received += piece.length;
    // What has been sent and not received is in buffers of a limited size.
    expect(sent * chunk.length - received).toBeLessThan(16 * chunk.length);
  }
  expect(received).toBe(total * chunk.length);
});

test("a caller that stops reading and goes away sets its handler free", async () => {
  let isOver = false;
  await serve({
    async exec(_, { send, signal }) {
      while (!signal.aborted) await send(Buffer.alloc(256 * 1024));
      isOver = true;
      return ending;
    },
  });
  const connection = await connect();
  await new SupervisorCall(connection, commandVerbs.exec, exec)[Symbol.asyncIterator]().next();
  connection.close();
  await eventually(async () => isOver, soonMs, "the handler ends");
});

test("nothing listens before a server serves, nor after it has closed", async () => {
  expect(await connectSupervisor(place)).toBeUndefined();
  expect(await connectSupervisor(new WorkspacePlace(place.dir, "absent"))).toBeUndefined();
  const server = await serve({});
  await stat(join(place.dir, "supervisor.sock"));
  await server.close(0);
  expect(await connectSupervisor(place)).toBeUndefined();
});

test("a server that closes lets calls that are over have their answer", async () => {
  const server = await serve({ stop: async () => workspaceRecord({ state: "stopped" }) });
  const work = call(await connect(), lifeVerbs.stop, {});
  const answer = expect(work).resolves.toMatchObject({ state: "stopped" });
  await sleep(0);
  await answer;
  await server.close(1000);
});

test("a request too long to be sent says what to do", async () => {
  await serve({});
  const work = call(await connect(), commandVerbs.exec, { ...exec, argv: ["x".repeat(2 ** 20)] });
  await expect(work).rejects.toMatchObject({
    code: "invalid_argument",
    hint: expect.stringContaining("to a file first"),
  });
});

async function firstReply(bytes: Buffer): Promise<unknown> {
  const socket = await connectBare();
  socket.write(bytes);
  const seen: Frame[] = [];
  for await (const frame of framesOf(socket)) seen.push(frame);
  const last = seen.at(-1);
  expect(last?.type).toBe(controlFrame.error);
  return JSON.parse(last?.payload.toString() ?? "");
}

async function connectTo(name: string): Promise<SupervisorConnection> {
  const socket = connectPath(join(shortDir, name));
  cleanups.push(() => void socket.destroy());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.on("error", () => {});
  return new SupervisorConnection(socket);
}
