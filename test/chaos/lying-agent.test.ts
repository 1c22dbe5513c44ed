import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { PyroError } from "../../src/core/errors.ts";
import { encodeFrame, frameType } from "../../src/guest/frames.ts";
import { treeFrame } from "../../src/guest/tree/messages.ts";
import { diffWorkspace } from "../../src/workspaces/change/diff.ts";
import { createSnapshot } from "../../src/workspaces/checkpoint/caller.ts";
import { execInWorkspace } from "../../src/workspaces/command/caller.ts";
import { commandLogs } from "../../src/workspaces/command/logs.ts";
import { listFiles, readFile as readGuestFile, writeFile as writeGuestFile } from "../../src/workspaces/file/files.ts";
import { applyPatch } from "../../src/workspaces/file/patch.ts";
import { exportFromWorkspace } from "../../src/workspaces/file/transfer.ts";
import { deleteWorkspace } from "../../src/workspaces/life/caller.ts";
import { type Answer, LyingWorkspace, saying, sayingForEver } from "../helpers/lying-workspace.ts";
import { additionPatch } from "./operations.ts";
import { chosenSeed, sizeFromEnvironment } from "./random.ts";

const numRuns = sizeFromEnvironment("CHAOS_LIES", 40);
/** An answer to a lie takes milliseconds */
const hangMs = 120_000;
/** What the host may hold of an endless answer */
const maxGrowthMib = 400;

let workspace: LyingWorkspace;
let seed: number;
let canary: string;
beforeAll(async () => {
  seed = chosenSeed("lying agent");
  workspace = await LyingWorkspace.begin();
  canary = join(workspace.outDir, "canary");
  await mkdir(canary);
  await writeFile(join(canary, "file"), "untouched");
  await symlink("canary", join(workspace.outDir, "link"));
});
afterAll(() => workspace[Symbol.asyncDispose]());

const output = () => join(workspace.outDir, "exported");
const to = (path: string) => ({ output: path, allowSecrets: false });
const json = (type: number, value: unknown) => encodeFrame(type, Buffer.from(JSON.stringify(value)));
const endFrame = encodeFrame(treeFrame.end, Buffer.alloc(0));
const rootEntry = json(treeFrame.entry, { path: "", type: "directory", mode: 0o755, mtime_ns: "0" });
const ending = { exit_code: 0, signal: null, timed_out: false, cancelled: false, duration_ms: 1.5, oom_killed: false };

/** Everything that a host asks a guest for, with what it makes of the answer. */
const requests: Readonly<Record<string, (signal?: AbortSignal) => Promise<unknown>>> = {
  export: (signal) => exportFromWorkspace({ ...workspace.call, signal }, "/workspace", to(output())),
  exportOne: (signal) => exportFromWorkspace({ ...workspace.call, signal }, "dir", to(output())),
  list: (signal) => listFiles({ ...workspace.call, signal }, "/workspace", true),
  read: (signal) => readGuestFile({ ...workspace.call, signal }, "dir/x", { offset: 5, maxBytes: 1_000 }),
  write: (signal) => writeGuestFile({ ...workspace.call, signal }, "dir/x", "text\n"),
  patch: (signal) => applyPatch({ ...workspace.call, signal }, additionPatch("dir/x", "line")),
  diff: (signal) => diffWorkspace({ ...workspace.call, signal }),
  snapshot: (signal) => createSnapshot({ ...workspace.call, signal }, `s${snapshots++}`),
  exec: (signal) => exec(signal),
};
let snapshots = 0;

function exec(signal?: AbortSignal): Promise<unknown> {
  return execInWorkspace(
    workspace.context,
    { workspaceId: workspace.workspaceId, command: ["true"], timeoutMs: 2_000 },
    { onStdout() {}, onStderr() {}, signal },
  );
}

/** What a request comes to: it must come to something, and what it throws must be ours. */
async function outcomeOf(
  request: (signal?: AbortSignal) => Promise<unknown>,
): Promise<{ error: PyroError | undefined }> {
  const ender = new AbortController();
  const work = request(ender.signal).then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  const hang = new AbortController();
  const late = setTimeout(hangMs, "hangs" as const, { signal: hang.signal }).catch(() => "over" as const);
  const outcome = await Promise.race([work, late]);
  hang.abort();
  if (typeof outcome === "string") {
    ender.abort();
    throw new Error(`it hangs, or goes on for ever (${hangMs} ms)`);
  }
  if (outcome.error !== undefined) expect(outcome.error).toBeInstanceOf(PyroError);
  return outcome as { error: PyroError | undefined };
}

/** Nothing is anywhere but at the output path, and there only what is complete. */
async function expectInside(error: PyroError | undefined): Promise<void> {
  expect(await readFile(join(canary, "file"), "utf8")).toBe("untouched");
  expect(await readdir(canary)).toEqual(["file"]);
  const names = (await readdir(workspace.outDir)).toSorted();
  if (error) expect(names).toEqual(["canary", "link"]);
  else expect(["canary", "exported", "link"]).toEqual(expect.arrayContaining(names));
  expect((await readdir(workspace.dir)).toSorted()).toEqual(["guest.sock", "out", "workspaces"]);
}

beforeEach(async () => {
  await rm(output(), { recursive: true, force: true });
});

const evilPath = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("dir", "dir/x", "dir/sub", "dir/sub/y", "a", "link", "link/x", "link/file", ""),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...["..", "../x", "../canary/x", "/etc/x", "dir/../../x", "dir//x", "./a", "a/", ".", "dir/.", "nul\0x"],
      ...["x".repeat(300), "x/".repeat(3_000), "\ud800", "__proto__", "constructor/x", "\u001b[2J", "a\nb"],
    ),
  },
  { weight: 1, arbitrary: fc.string() },
);
const namedPath = fc.oneof(
  evilPath.map((path) => ({ path })),
  evilPath.map((path) => ({ path_base64: Buffer.from(path).toString("base64") })),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => ({ path_base64: Buffer.from(bytes).toString("base64") })),
  fc.constantFrom({}, { path: 5 }, { path: null }, { path_base64: "%%%" }, { path: ["a"] }),
);
const evilSize = fc.constantFrom<unknown>(0, 1, 5, 10, 70_000, 2 ** 31, 2 ** 40, 2 ** 53, -1, 1.5, 1e300, "5", null);
const evilMode = fc.constantFrom<unknown>(0o644, 0o755, 0, 0o7777, 0o10000, -1, "0644", null);
const evilType = fc.constantFrom<unknown>(
  ...["file", "directory", "symlink", "hard_link", "other", "missing", "delete"],
  ...["socket", "", 5, null, "__proto__"],
);
const evilTarget = fc.oneof(
  evilPath.map((target) => ({ target })),
  fc.constantFrom<object>(
    {},
    { target: "/etc/passwd" },
    { target: "../canary" },
    { target_base64: "AAAA" },
    { target: 5 },
  ),
);
const evilEntry = fc
  .tuple(
    ...([namedPath, evilTarget] as const),
    fc.record({ type: evilType, mode: evilMode, size: evilSize }, { requiredKeys: ["type"] }),
    fc.constantFrom<object>(
      {},
      { mtime_ns: "0" },
      { mtime_ns: "-99999999999999999999" },
      { mtime_ns: "x" },
      { sha256: "x" },
    ),
  )
  .map((parts) => Object.assign({}, ...parts) as object);
const evilSide = fc.oneof(
  fc.constant(null),
  fc.tuple(evilTarget, fc.record({ type: evilType, mode: evilMode, size: evilSize })).map(([a, b]) => ({ ...a, ...b })),
);
const evilChange = fc
  .tuple(
    namedPath,
    fc.record({
      status: fc.constantFrom<unknown>("added", "modified", "deleted", "type_changed", "x", null),
      old: evilSide,
      new: evilSide,
      content_changed: fc.boolean(),
      content: fc.boolean(),
    }),
  )
  .map(([path, rest]) => ({ ...path, ...rest }));
const bytes = fc
  .oneof(fc.uint8Array({ maxLength: 30 }), fc.constant(new Uint8Array(70_000)))
  .map((data) => Buffer.from(data));
const evilHole = fc
  .oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 1n, 5n, 10n, 70_000n, 2n ** 40n, 2n ** 53n))
  .map((length) => {
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64BE(length);
    return encodeFrame(treeFrame.hole, payload);
  });

/** One frame, or what is no frame at all. */
const evilFrame: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: evilEntry.map((entry) => json(treeFrame.entry, entry)) },
  { weight: 6, arbitrary: evilChange.map((change) => json(treeFrame.change, change)) },
  { weight: 4, arbitrary: bytes.map((data) => encodeFrame(treeFrame.content, data)) },
  { weight: 3, arbitrary: fc.constant(encodeFrame(treeFrame.contentEnd, Buffer.alloc(0))) },
  { weight: 1, arbitrary: bytes.map((data) => encodeFrame(treeFrame.oldContent, data)) },
  { weight: 1, arbitrary: fc.constant(encodeFrame(treeFrame.oldContentEnd, Buffer.alloc(0))) },
  { weight: 2, arbitrary: evilHole },
  { weight: 2, arbitrary: fc.constant(endFrame) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(255), bytes).map(([type, data]) => encodeFrame(type, data)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(Buffer.from([treeFrame.entry, 255, 255, 255, 255]), Buffer.from([0x31, 0, 0])),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((data) => Buffer.from(data)) },
  { weight: 1, arbitrary: fc.json().map((text) => encodeFrame(treeFrame.entry, Buffer.from(text))) },
);

const endings = fc.constantFrom<"end" | "reset" | "vanish">("end", "reset", "vanish");

/** A tree that could be one, up to a point. */
const nearlyTree = fc
  .array(
    fc.tuple(
      fc.constantFrom("dir", "dir/x", "dir/y", "dir/sub", "dir/sub/z", "a", "dir/link", "dir/link/x"),
      fc.constantFrom("file", "directory", "symlink", "hard_link"),
      fc.constantFrom("dir/x", "a", "../canary", "/etc/passwd", ".."),
      fc.nat(100),
    ),
    { maxLength: 8 },
  )
  .map((entries) =>
    entries.flatMap(([path, type, target, size]) => {
      const frame = json(treeFrame.entry, {
        path,
        type,
        mode: 0o755,
        size: type === "file" ? size : 0,
        target,
        mtime_ns: "0",
      });
      if (type !== "file") return [frame];
      const content = encodeFrame(treeFrame.content, Buffer.alloc(size, 120));
      return [frame, content, encodeFrame(treeFrame.contentEnd, Buffer.alloc(0))];
    }),
  );

/** What is no stream of frames, but an answer or a refusal, or nearly. */
const evilText = fc
  .oneof(
    fc.json(),
    fc.record({ entry_count: evilSize, bytes_written: evilSize }).map((body) => JSON.stringify(body)),
    fc
      .record({
        code: fc.constantFrom<unknown>("conflict", "no_space", "x", 5),
        message: fc.constantFrom("m", "\u001b[2J", "x".repeat(9_000)),
      })
      .map((error) => JSON.stringify({ error })),
  )
  .map((text) => [Buffer.from(text)]);
const dirEntry = json(treeFrame.entry, { path: "dir", type: "directory", mode: 0o755, mtime_ns: "0" });

const evilAnswer: fc.Arbitrary<{ answer: Answer; shown: string }> = fc
  .tuple(
    fc.oneof(
      fc.constant<Buffer[]>([]),
      fc.constant([rootEntry]),
      nearlyTree.map((tree) => [rootEntry, ...tree]),
      nearlyTree.map((tree) => [dirEntry, ...tree]),
      evilText,
      nearlyTree,
    ),
    fc.oneof(
      { weight: 2, arbitrary: fc.constant<Buffer[]>([]) },
      { weight: 3, arbitrary: fc.array(evilFrame, { maxLength: 12 }) },
    ),
    fc.boolean(),
    endings,
    fc.constantFrom(200, 200, 200, 200, 200, 200, 404, 409, 500, 299),
  )
  .map(([first, then, isComplete, how, status]) => {
    const chunks = [...first, ...then, ...(isComplete ? [endFrame] : [])];
    const shown = `${status} ${how} ${Buffer.concat(chunks).subarray(0, 2_000).toString("latin1")}`;
    return { answer: saying(chunks, how, status), shown };
  });

test.each(["export", "exportOne", "list", "read", "write", "patch", "diff", "snapshot"])(
  "whatever a guest says of its files, `%s` ends, and stays where it belongs",
  async (name) => {
    const request = requests[name];
    if (!request) throw new Error(name);
    const counts = { worked: 0, failed: 0 };
    await fc.assert(
      fc.asyncProperty(evilAnswer, async ({ answer }) => {
        await rm(output(), { recursive: true, force: true });
        workspace.answers(answer);
        const { error } = await outcomeOf(request);
        counts[error ? "failed" : "worked"] += 1;
        await expectInside(error);
      }),
      { seed, numRuns, verbose: 0, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false },
    );
    console.log(`${name}: ${JSON.stringify(counts)}`);
  },
  180_000,
);

const evilEnding = fc.record(
  {
    exit_code: fc.constantFrom<unknown>(0, 1, 255, 256, -1, 1.5, null, "0", 1e300),
    signal: fc.constantFrom<unknown>(null, "SIGKILL", "SIG99", "SIGTERM\u001b[2J", "x".repeat(100_000), 9),
    timed_out: fc.constantFrom<unknown>(true, false, "no"),
    cancelled: fc.boolean(),
    duration_ms: fc.constantFrom<unknown>(0, -1, 1e300, null, "1"),
    oom_killed: fc.boolean(),
    error: fc.constantFrom<unknown>(undefined, { code: "x", message: "y" }, "broken", { code: 5 }),
  },
  { requiredKeys: [] },
);
const evilExec: fc.Arbitrary<Buffer[]> = fc.array(
  fc.oneof(
    bytes.map((data) => encodeFrame(frameType.stdout, data)),
    bytes.map((data) => encodeFrame(frameType.stderr, data)),
    evilEnding.map((value) => json(frameType.exit, value)),
    fc.constant(json(frameType.exit, ending)),
    fc.json().map((text) => encodeFrame(frameType.exit, Buffer.from(text))),
    fc.constant(json(frameType.started, { pid: -1 })),
    evilFrame,
  ),
  { maxLength: 6 },
);

test("whatever a guest says of a command, it ends, and is in the journal", async () => {
  let count = (await commandLogs(workspace.call)).length;
  await fc.assert(
    fc.asyncProperty(evilExec, endings, async (chunks, how) => {
      workspace.answers(saying(chunks, how));
      const { error } = await outcomeOf(exec);
      const commands = await commandLogs(workspace.call);
      count += 1;
      expect(commands.map(({ sequence }) => sequence).at(-1)).toBe(count);
      const { end } = commands.at(-1) ?? {};
      expect(end).toBeDefined();
      expect(end?.unknownReason === null).toBe(error === undefined);
    }),
    { seed, numRuns: Math.ceil(numRuns / 2), interruptAfterTimeLimit: 60_000 },
  );
}, 180_000);

const often = (frame: Buffer) => Buffer.concat(Array<Buffer>(500).fill(frame));
const entriesOf = (type: string) => {
  const entries = often(json(treeFrame.entry, { path: "dir/x", type }));
  return sayingForEver([rootEntry, dirEntry], () => entries);
};
const oneChange = {
  path: "dir/x",
  status: "added",
  old: null,
  new: { type: "directory", mode: 0o755 },
  content_changed: false,
};
const changes = often(json(treeFrame.change, oneChange));
const endlessChanges = sayingForEver([], () => changes);
const endlessContent = sayingForEver(
  [
    rootEntry,
    json(treeFrame.entry, { path: "dir", type: "directory" }),
    json(treeFrame.entry, { path: "dir/x", type: "file", size: 10 }),
  ],
  () => encodeFrame(treeFrame.content, Buffer.alloc(65_536)),
);
const endlessOutput = sayingForEver([], () => encodeFrame(frameType.stdout, Buffer.alloc(65_536, 120)));
const endlessText = sayingForEver([], () => Buffer.alloc(65_536, 32));

/** The kinds of talk that a request could listen to for ever. */
const endless: readonly (readonly [string, keyof typeof requests & string, Answer])[] = [
  ["entries that are not there", "export", entriesOf("missing")],
  ["devices", "export", entriesOf("other")],
  ["content", "export", endlessContent],
  ["entries", "list", entriesOf("directory")],
  ["entries that were not asked for", "patch", entriesOf("directory")],
  ["changes", "diff", endlessChanges],
  ["changes", "snapshot", endlessChanges],
  ["output", "exec", endlessOutput],
  ["explanation", "write", endlessText],
];

test.each(endless)(
  "a guest that sends %s without end is left (`%s`)",
  async (_what, name, answer) => {
    const request = requests[name];
    if (!request) throw new Error(name);
    workspace.answers(answer);
    const before = process.memoryUsage().rss;
    const { error } = await outcomeOf(request);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(maxGrowthMib);
    // A listing says that there is more; everything else has failed.
    if (name !== "list") expect(error).toBeInstanceOf(PyroError);
    await expectInside(error);
  },
  2 * hangMs,
);

test.each(["export", "list", "write", "diff", "exec"])("a guest that says nothing is left (`%s`)", async (name) => {
  const request = requests[name];
  if (!request) throw new Error(name);
  workspace.answers(saying([], "stay"));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  try {
    let error: unknown;
    const work = request().catch((thrown: unknown) => {
      error = thrown;
    });
    // What is waited for may only be begun after a while of the real time, which is there to fail.
    for (const deadline = Date.now() + 60_000; error === undefined && Date.now() < deadline; ) {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      await vi.advanceTimersByTimeAsync(1_000);
    }
    if (error !== undefined) await work;
    expect(error).toBeInstanceOf(PyroError);
  } finally {
    vi.useRealTimers();
  }
});

test.each(["write", "snapshot", "exec"])(
  "a guest that has understood everything, and vanishes, may have done it (`%s`)",
  async (name) => {
    const request = requests[name];
    if (!request) throw new Error(name);
    // What a snapshot asks before it does anything is answered.
    workspace.answers((stream, path) => {
      if (path === "/v1/tree/changes") return saying([endFrame])(stream, path);
      if (path === "/v1/tree/read") return saying([endFrame])(stream, path);
      if (path === "/v1/workspace/freeze") return saying([], "end", 204)(stream, path);
      stream.resume();
      stream.once("end", () => stream.session?.destroy());
      if (path === "/v1/exec") stream.once("data", () => stream.session?.destroy());
    });
    const { error } = await outcomeOf(request);
    expect(error?.code).toBe("outcome_unknown");
  },
);

/** Last, as it ends the workspace. */
test("a workspace can be deleted whatever its guest is being asked", async () => {
  workspace.answers(endlessChanges);
  const ender = new AbortController();
  const stuck = createSnapshot({ ...workspace.call, signal: ender.signal }, "stuck").catch(() => {});
  await setTimeout(200);
  const { error } = await outcomeOf(() => deleteWorkspace(workspace));
  expect(error).toBeUndefined();
  ender.abort();
  await stuck;
});
