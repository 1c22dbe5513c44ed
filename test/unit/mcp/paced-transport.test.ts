import { PassThrough, Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { expect, test } from "vitest";
import { type PacedOptions, PacedTransport } from "../../../src/mcp/stdio/paced-transport.ts";

const limits = { maxMessageBytes: 10_000, maxUnreadBytes: 1_000, maxRequests: 4 };
const large = "x".repeat(600);

/** What a client reads, whenever it does. */
class Output extends Writable {
  readonly read: JSONRPCMessage[] = [];
  #release: (() => void) | undefined;
  #isReading = false;

  constructor() {
    super({ decodeStrings: false });
  }

  override _write(line: string, _encoding: string, done: () => void): void {
    this.#release = () => {
      this.read.push(JSON.parse(line));
      done();
    };
    if (this.#isReading) this.#release();
  }

  readOn(): void {
    this.#isReading = true;
    this.#release?.();
  }
}

async function connect(options: Partial<PacedOptions> = {}) {
  const stdin = new PassThrough();
  const output = new Output();
  const transport = new PacedTransport(stdin, output, { ...limits, ...options });
  const taken: JSONRPCMessage[] = [];
  const state = { closed: 0 };
  transport.onmessage = (message) => taken.push(message);
  transport.onclose = () => {
    state.closed += 1;
  };
  await transport.start();
  return {
    stdin,
    output,
    transport,
    state,
    ids: () => taken.map((message) => ("id" in message ? message.id : (message as { method: string }).method)),
    async say(...messages: readonly object[]) {
      stdin.write(messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join(""));
      await settled();
    },
    answer: (id: number, content = large) => transport.send({ jsonrpc: "2.0", id, result: { content } }),
  };
}

/** Streams pass things on in later turns of the loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
}

const request = (id: number) => ({ id, method: "tools/list" });
const cancel = (requestId: number) => ({ method: "notifications/cancelled", params: { requestId } });

test("requests wait while their client does not read, and go on in order when it does", async () => {
  const { say, answer, ids, output } = await connect();
  await say(request(1), request(2));
  await answer(1);
  await answer(2);
  await say(request(3), request(4));
  await say(request(5));
  expect(ids()).toEqual([1, 2]);
  output.readOn();
  await settled();
  expect(ids()).toEqual([1, 2, 3, 4, 5]);
  for (const id of [3, 4, 5]) await answer(id);
  await settled();
  expect(output.read.map((message) => "id" in message && message.id)).toEqual([1, 2, 3, 4, 5]);
});

test("only so many requests are worked on, and an answer or a cancellation makes room", async () => {
  const { say, answer, ids } = await connect();
  await say(...[1, 2, 3, 4, 5, 6, 7].map(request));
  expect(ids()).toEqual([1, 2, 3, 4]);
  await answer(2, "");
  expect(ids()).toEqual([1, 2, 3, 4, 5]);
  await say(cancel(1));
  expect(ids()).toEqual([1, 2, 3, 4, 5, "notifications/cancelled", 6]);
  await say(cancel(7));
  await answer(3, "");
  await settled();
  expect(ids()).not.toContain(7);
});

test("answers to the server's own questions do not wait", async () => {
  const { say, ids } = await connect();
  await say(...[1, 2, 3, 4, 5].map(request), { id: 99, result: { roots: [] } });
  expect(ids()).toEqual([1, 2, 3, 4, 99]);
});

test("subscriptions, which are open for ever, are not counted", async () => {
  const { say, ids } = await connect();
  await say(...[11, 12, 13, 14, 15].map((id) => ({ id, method: "subscriptions/listen" })), request(1));
  expect(ids()).toEqual([11, 12, 13, 14, 15, 1]);
});

test.each(["end", "destroy"] as const)("a client that reads nothing and goes (%s) has gone", async (how) => {
  const { say, answer, stdin, state, ids, transport } = await connect();
  await say(request(1));
  await answer(1);
  await answer(1);
  await say(...[2, 3, 4, 5, 6, 7].map(request));
  await say(request(8));
  expect(state.closed).toBe(0);
  stdin[how]();
  await settled();
  expect(state.closed).toBe(1);
  expect(ids()).toEqual([1]);
  await expect(transport.send({ jsonrpc: "2.0", id: 3, result: {} })).rejects.toThrow("the client has gone");
});

test("what a client said before it went is taken", async () => {
  const { stdin, ids, state } = await connect();
  stdin.end(`${JSON.stringify({ jsonrpc: "2.0", ...request(1) })}\n`);
  await settled();
  expect([ids(), state.closed]).toEqual([[1], 1]);
});

test("a client whose output fails has gone", async () => {
  const { output, state } = await connect();
  output.destroy(new Error("write EPIPE"));
  await settled();
  expect(state.closed).toBe(1);
});

test("a message over the limit ends the connection", async () => {
  const { stdin, state } = await connect();
  stdin.write("x".repeat(limits.maxMessageBytes + 1));
  await settled();
  expect(state.closed).toBe(1);
});

test("input is read ahead only up to the limit for a message", async () => {
  const { say, answer, stdin } = await connect();
  await say(request(1));
  await answer(1);
  await answer(1);
  for (let id = 2; id < 2_000; id += 1) stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...request(id) })}\n`);
  await settled();
  expect(stdin.writableLength + stdin.readableLength).toBeGreaterThan(0);
});
