import type http2 from "node:http2";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeFrame, frameType } from "../../../../src/guest/frames.ts";
import { execInWorkspace, type WorkspaceExecOptions } from "../../../../src/workspaces/command/caller.ts";
import { commandLogs, type LogRequest } from "../../../../src/workspaces/command/logs.ts";
import { currentRecord } from "../../../../src/workspaces/control/access.ts";
import { deleteWorkspace } from "../../../../src/workspaces/life/caller.ts";
import { LyingWorkspace } from "../../../helpers/lying-workspace.ts";
import { eventually } from "../../../helpers/processes.ts";

const soonMs = 20_000;
const mib = 1024 * 1024;

/** A command in a guest that does what a test wants. */
class GuestCommand {
  isKilled = false;
  #hasExited = false;
  readonly #stream: http2.ServerHttp2Stream;

  constructor(stream: http2.ServerHttp2Stream) {
    this.#stream = stream;
    stream.respond({ ":status": 200 });
    stream.once("close", () => {
      this.isKilled = !this.#hasExited;
    });
  }

  print(text: string): void {
    for (let start = 0; start < text.length; start += mib) {
      this.#stream.write(encodeFrame(frameType.stdout, Buffer.from(text.slice(start, start + mib))));
    }
  }

  exit(exitCode: number): void {
    this.#hasExited = true;
    const how = { signal: null, timed_out: false, cancelled: false, duration_ms: 1.5, oom_killed: false };
    this.#stream.end(encodeFrame(frameType.exit, Buffer.from(JSON.stringify({ exit_code: exitCode, ...how }))));
  }
}

let workspace: LyingWorkspace;
let commands: GuestCommand[];
beforeEach(async () => {
  workspace = await LyingWorkspace.begin();
  commands = [];
  workspace.answers((stream) => void commands.push(new GuestCommand(stream)));
});
afterEach(async () => {
  await deleteWorkspace(workspace).catch(() => {
    // a test has done so
  });
  await workspace[Symbol.asyncDispose]();
});

const exec = (detachAfterMs: number, options: Partial<WorkspaceExecOptions> = {}) =>
  execInWorkspace(
    workspace.context,
    { workspaceId: workspace.workspaceId, command: "work", timeoutMs: 600_000, detachAfterMs },
    { onStdout() {}, onStderr() {}, ...options },
  );
const logs = (request?: LogRequest, signal?: AbortSignal) => commandLogs({ ...workspace.call, signal }, request);
const lastCommand = async () => (await currentRecord(workspace.context, workspace.workspaceId)).lastCommand;
async function begun(count = 1): Promise<GuestCommand> {
  await eventually(async () => commands.length >= count, soonMs, "the command runs");
  return commands[count - 1] as GuestCommand;
}

test("a command that ends in time is told as any other", async () => {
  const work = exec(60_000);
  (await begun()).exit(3);
  expect(await work).toMatchObject({ running: false, exitCode: 3, sequence: 1, command: ["work"] });
});

test("a command that takes longer runs on without its caller, and its output and end are on file", async () => {
  const seen: string[] = [];
  const work = exec(300, { onStdout: (chunk) => void seen.push(`${chunk}`) });
  const command = await begun();
  command.print("one\n");
  expect(await work).toMatchObject({
    running: true,
    exitCode: null,
    sequence: 1,
    stdoutBytes: 4,
    unknownReason: null,
    timedOut: false,
    durationMs: expect.closeTo(300, -3),
  });
  expect(seen).toEqual(["one\n"]);
  expect(await lastCommand()).toMatchObject({ sequence: 1, exitCode: null, durationMs: null });
  expect(await logs()).toMatchObject([{ sequence: 1, end: undefined, stdout: { totalBytes: 4, nextOffset: 4 } }]);
  command.print("two\n");
  const more = async () => `${(await logs({ offset: 4 })).at(-1)?.stdout.bytes}` === "two\n";
  await eventually(more, soonMs, "what it printed later is there");
  command.exit(7);
  expect(await logs({ sequence: 1, waitMs: soonMs })).toMatchObject([
    { end: { exitCode: 7, stdoutBytes: 8, cancelled: false }, stdout: { bytes: Buffer.from("one\ntwo\n") } },
  ]);
  expect(await lastCommand()).toMatchObject({ sequence: 1, exitCode: 7, durationMs: 1.5 });
});

test("until then the caller's going ends it", async () => {
  const controller = new AbortController();
  const work = exec(60_000, { signal: controller.signal });
  const command = await begun();
  controller.abort();
  await expect(work).rejects.toMatchObject({ code: "cancelled" });
  await eventually(async () => command.isKilled, soonMs, "the command is killed");
  expect(await logs({ waitMs: soonMs })).toMatchObject([{ end: { cancelled: true } }]);
});

test("a caller that is cancelled in the moment of detaching is told that the command may run on", async () => {
  const controller = new AbortController();
  const work = exec(500, { signal: controller.signal });
  await begun();
  controller.abort();
  await expect(work).rejects.toMatchObject({ code: "outcome_unknown", hint: expect.stringContaining("logs") });
});

test("a caller that does not take the output does not hold up a command that was detached", async () => {
  let take = () => {};
  const taken = new Promise<void>((resolve) => {
    take = resolve;
  });
  const work = exec(300, { onStdout: () => taken });
  const command = await begun();
  command.print("x".repeat(32 * mib));
  const isKept = async () => (await logs({ maxBytes: 1 })).at(-1)?.stdout.totalBytes === 32 * mib;
  await eventually(isKept, soonMs, "all output is kept");
  command.exit(0);
  expect(await logs({ waitMs: soonMs, maxBytes: 1 })).toMatchObject([{ end: { exitCode: 0, stdoutBytes: 32 * mib } }]);
  take();
  expect(await work).toMatchObject({ running: true, sequence: 1 });
});

test("a command that reads from its caller is not left alone", async () => {
  let end = () => {};
  const stdin = new Readable({
    read() {
      end = () => this.push(null);
    },
  });
  let isOver = false;
  const work = exec(50, { stdin }).finally(() => {
    isOver = true;
  });
  const command = await begun();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(isOver).toBe(false);
  end();
  command.exit(0);
  expect(await work).toMatchObject({ running: false, exitCode: 0 });
});

test("all who wait are woken by the end, and who waits for too long is told how far it is", async () => {
  await exec(0);
  const command = await begun();
  expect(await logs({ waitMs: 50 })).toMatchObject([{ sequence: 1, end: undefined }]);
  const waiting = [logs({ sequence: 1, waitMs: soonMs }), logs({ waitMs: soonMs }), logs({ waitMs: soonMs })];
  command.exit(5);
  for (const entries of await Promise.all(waiting)) expect(entries).toMatchObject([{ end: { exitCode: 5 } }]);
  // There is nothing left to wait for.
  expect(await logs({ waitMs: 3_600_000 })).toMatchObject([{ end: { exitCode: 5 } }]);
});

test("one command is waited for, whatever the others do", async () => {
  await exec(0);
  await exec(0);
  const [first, second] = [await begun(1), await begun(2)];
  const waiting = logs({ sequence: 1, waitMs: soonMs });
  second.exit(2);
  expect(await logs({ waitMs: soonMs })).toMatchObject([{ end: undefined }, { end: { exitCode: 2 } }]);
  first.exit(1);
  expect(await waiting).toMatchObject([{ sequence: 1, end: { exitCode: 1 } }]);
});

test("giving up waiting does not end the command", async () => {
  await exec(0);
  const command = await begun();
  const controller = new AbortController();
  const waiting = logs({ waitMs: soonMs }, controller.signal);
  setTimeout(() => controller.abort(), 100);
  await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  command.print("still here\n");
  command.exit(0);
  expect(await logs({ waitMs: soonMs })).toMatchObject([{ end: { exitCode: 0, stdoutBytes: 11 } }]);
});

test("a command that was detached ends with the workspace, and so does the waiting", async () => {
  await exec(0);
  const command = await begun();
  const waiting = logs({ sequence: 1, waitMs: soonMs }).then(
    ([entry]) => entry?.end?.unknownReason ?? "it has no end",
    (error: { code?: string }) => error.code,
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  await deleteWorkspace(workspace);
  expect(["not_found", "the command was cut off: the workspace was deleted"]).toContain(await waiting);
  await eventually(async () => command.isKilled, soonMs, "the command is gone");
});

test("a command that was never begun is not found, and the error says where to look", async () => {
  await expect(logs({ sequence: 9 })).rejects.toMatchObject({
    code: "not_found",
    message: `there is no command 9 in the history of workspace '${workspace.workspaceId}'`,
    hint: expect.stringContaining("without a sequence"),
  });
});
