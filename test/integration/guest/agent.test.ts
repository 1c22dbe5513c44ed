import { once } from "node:events";
import http2 from "node:http2";
import { duplexPair, Readable } from "node:stream";
import { afterEach, expect, test, vi } from "vitest";
import { AgentClient } from "../../../src/guest/agent.ts";
import { encodeStdin } from "../../../src/guest/exec.ts";
import { encodeFrame, frameType } from "../../../src/guest/frames.ts";
import { protocolVersion } from "../../../src/guest/messages.ts";

type Answer = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => Promise<void> | void;

const clients: AgentClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** A client of an agent that answers as a test wants: what the guest says is untrusted. */
function connectTo(answer: Answer): AgentClient {
  const [host, guest] = duplexPair();
  const server = http2.createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {
      // the host has hung up, as it should
    });
    void answer(stream, headers);
  });
  server.emit("connection", guest);
  const client = new AgentClient(host);
  clients.push(client);
  return client;
}

const spec = { argv: ["true"], timeoutMs: 10_000, stdin: false };
const ignoreOutput = { onStdout() {}, onStderr() {} };
const ending = { exit_code: 0, signal: null, timed_out: false, cancelled: false, duration_ms: 1.5, oom_killed: false };
const exitFrame = (value: unknown) => encodeFrame(frameType.exit, Buffer.from(JSON.stringify(value)));

function answerExec(...chunks: readonly Buffer[]): Answer {
  return (stream) => {
    stream.respond({ ":status": 200 });
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
  };
}

test("a command's output arrives in order, and its ending with it", async () => {
  const agent = connectTo(
    answerExec(
      encodeFrame(frameType.stdout, Buffer.from("a")),
      encodeFrame(frameType.stderr, Buffer.from("b")),
      encodeFrame(frameType.stdout, Buffer.from("c")),
      exitFrame(ending),
    ),
  );
  const seen: string[] = [];
  const result = await agent.exec(spec, {
    onStdout: (chunk) => void seen.push(`out ${chunk}`),
    onStderr: (chunk) => void seen.push(`err ${chunk}`),
  });
  expect(seen).toEqual(["out a", "err b", "out c"]);
  expect(result).toMatchObject({ exitCode: 0, durationMs: 1.5 });
});

test("a slow reader holds the guest back instead of filling memory", async () => {
  let written = 0;
  const frame = encodeFrame(frameType.stdout, Buffer.alloc(64 * 1024));
  const agent = connectTo(async (stream) => {
    const closing = new AbortController();
    stream.once("close", () => closing.abort());
    stream.respond({ ":status": 200 });
    while (!stream.destroyed) {
      written += frame.length;
      if (!stream.write(frame)) await once(stream, "drain", { signal: closing.signal }).catch(() => {});
    }
  });
  const controller = new AbortController();
  const stuck = agent.exec(spec, { onStdout: () => new Promise(() => {}), onStderr() {}, signal: controller.signal });
  const cancelled = expect(stuck).rejects.toMatchObject({ code: "cancelled" });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(written).toBeLessThan(16 * 1024 * 1024);
  controller.abort();
  await cancelled;
});

test.each<[string, Answer]>([
  ["ends without saying how the command did", answerExec(encodeFrame(frameType.stdout, Buffer.from("x")))],
  ["ends in the middle of a frame", answerExec(exitFrame(ending).subarray(0, 9))],
  ["reports an ending that makes no sense", answerExec(exitFrame({ ...ending, exit_code: "zero" }))],
  ["reports an ending that is not JSON", answerExec(encodeFrame(frameType.exit, Buffer.from("{")))],
  ["resets the stream", (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
  ["drops the connection", (stream) => stream.session?.destroy()],
])("an agent that %s leaves the outcome unknown", async (_what, answer) => {
  await expect(connectTo(answer).exec(spec, ignoreOutput)).rejects.toMatchObject({ code: "outcome_unknown" });
});

test("an agent that talks on past the time limit is given up all the same", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const chatter = encodeFrame(0x7f, Buffer.from("still here"));
    let speak = () => {};
    const agent = connectTo((stream) => {
      stream.respond({ ":status": 200 });
      speak = () => void stream.write(chatter);
    });
    const work = agent.exec({ ...spec, timeoutMs: 500 }, ignoreOutput);
    const givenUp = expect(work).rejects.toMatchObject({ code: "timeout" });
    for (let second = 0; second < 12; second++) {
      await new Promise((resolve) => setImmediate(resolve));
      speak();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    await givenUp;
  } finally {
    vi.useRealTimers();
  }
});

test("input that breaks off is an error, not the end of the input", async () => {
  const agent = connectTo((stream) => stream.respond({ ":status": 200 }));
  const stdin = Readable.from(
    (function* () {
      yield Buffer.from("half");
      throw new Error("the disk is gone");
    })(),
  );
  const work = agent.exec({ ...spec, stdin: true }, { ...ignoreOutput, input: encodeStdin(stdin) });
  await expect(work).rejects.toMatchObject({
    code: "failed_precondition",
    message: "the command's input failed: the disk is gone",
  });
});

test("a command that is too long is refused with the figures", async () => {
  const work = connectTo(() => {}).exec({ ...spec, argv: Array(12).fill("x".repeat(100_000)) }, ignoreOutput);
  await expect(work).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringContaining("1048576") });
});

test("a frame without end is refused before it is kept", async () => {
  const header = Buffer.from([frameType.stdout, 0xff, 0xff, 0xff, 0xff]);
  const work = connectTo(answerExec(header)).exec(spec, ignoreOutput);
  await expect(work).rejects.toThrow(/more than the protocol allows/);
});

test.each<[string, Answer, string]>([
  ["answers nonsense", (stream) => stream.end("nonsense"), "makes no sense"],
  ["answers with the wrong types", (stream) => stream.end('{"protocol": 1}'), "makes no sense"],
  ["answers without end", (stream) => flood(stream), "has no end"],
  ["drops the connection", (stream) => stream.session?.destroy(), "lost the guest agent"],
])("an agent that %s is an error, not a crash", async (_what, answer, message) => {
  await expect(connectTo(answer).info({ timeoutMs: 10_000 })).rejects.toThrow(message);
});

test("a write whose answer is cut off after its headers may have happened", async () => {
  async function* nothing(): AsyncGenerator<Buffer> {}
  const agent = connectTo((stream) => {
    stream.respond({ ":status": 200 });
    stream.end();
  });
  await expect(agent.writeTree(nothing())).rejects.toMatchObject({
    code: "outcome_unknown",
    message: expect.stringContaining("the connection ended before the answer"),
  });
});

test("an agent that never answers is given up at the deadline", async () => {
  const work = connectTo(() => {}).info({ timeoutMs: 100 });
  await expect(work).rejects.toMatchObject({ code: "timeout" });
});

test("an agent of another major version is named as what it is", async () => {
  const agent = connectTo((stream) => {
    stream.respond({ ":status": 426 });
    stream.end(JSON.stringify({ error: { code: "protocol_mismatch", message: "guest agent speaks 2.x, host 1.x" } }));
  });
  await expect(agent.info()).rejects.toMatchObject({
    code: "failed_precondition",
    message: "cannot talk to the guest agent: guest agent speaks 2.x, host 1.x",
    hint: expect.stringContaining("pyro.prepare({ force: true })"),
  });
});

test("every request names the protocol, and a fork's token after it was given", async () => {
  const seen: (string | undefined)[] = [];
  const agent = connectTo((stream, headers) => {
    seen.push(String(headers["pyro-protocol"]), headers.authorization);
    stream.respond({ ":status": 200 });
    stream.end('{"time_unix_ms": 1}');
  });
  const identity = { token: "t".repeat(32), entropyBase64: "", timeUnixNs: "1", hostname: "h", machineId: "" };
  await agent.fork(identity);
  await agent.setClock();
  expect(seen).toEqual([protocolVersion, undefined, protocolVersion, `Bearer ${identity.token}`]);
});

function flood(stream: http2.ServerHttp2Stream): void {
  const chunk = "x".repeat(64 * 1024);
  const write = () => {
    while (!stream.destroyed && stream.write(chunk)) {
      // until the host takes no more
    }
  };
  stream.on("drain", write);
  write();
}
