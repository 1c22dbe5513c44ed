import { execFileSync, spawn } from "node:child_process";
import { constants, mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { type ContentOptions, readNamed, readStream } from "../../../src/host/named/content.ts";
import { shell } from "../tree/folder.ts";

let dir: string;
/** Of its own for each test, because the writer of another may not have ended yet */
let pipe: string;
let pipes = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-named-"));
});
beforeEach(async () => {
  pipes += 1;
  pipe = join(dir, `pipe ${pipes}`);
  await shell('mkfifo "$1"', pipe);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const limits: ContentOptions = { action: "cannot read", hint: "Give a file.", maxBytes: 1000, largerHint: "Push it." };
const impatient = { ...limits, waits: { namedPipeMs: 200, namedPipeEndMs: 60_000, pipeMs: 200 } };
const patient = { ...limits, waits: { namedPipeMs: 60_000, namedPipeEndMs: 60_000, pipeMs: 60_000 } };

test("a pipe whose other end no process opens is given up", async () => {
  await expect(readNamed(pipe, impatient)).rejects.toMatchObject({
    code: "timeout",
    message: `cannot read '${pipe}': it is a pipe that no process has opened for 0.2 s`,
    hint: "Write to the pipe and close it, or give a file.",
  });
});

test("a pipe whose writer says nothing is given up", async () => {
  await using _writer = await open(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  await expect(readNamed(pipe, impatient)).rejects.toMatchObject({
    code: "timeout",
    message: `cannot read '${pipe}': it is a pipe that no process has written to for 0.2 s`,
  });
});

test("a pipe whose writer goes on for ever, slowly, is given up", async () => {
  const writer = spawn("sh", ["-c", 'exec > "$1"; while echo; do sleep 0.1; done', "sh", pipe]);
  onTestFinished(() => void writer.kill("SIGKILL"));
  const waits = { namedPipeMs: 60_000, namedPipeEndMs: 600, pipeMs: 60_000 };
  await expect(readNamed(pipe, { ...limits, waits })).rejects.toMatchObject({
    code: "timeout",
    message: `cannot read '${pipe}': it is a pipe that was not closed for 0.6 s`,
  });
});

test("a pipe's text is read to its end, however slow its writer is", async () => {
  const writer = spawn("sh", ["-c", 'sleep 0.3; exec > "$1"; echo one; sleep 0.3; echo two', "sh", pipe]);
  onTestFinished(() => void writer.kill());
  expect((await readNamed(pipe, patient)).toString()).toBe("one\ntwo\n");
});

test("a pipe that never ends is given up at the limit", async () => {
  const writer = spawn("sh", ["-c", 'exec yes > "$1"', "sh", pipe]);
  onTestFinished(() => void writer.kill("SIGKILL"));
  await expect(readNamed(pipe, patient)).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(/it is larger than .* MiB, which is the limit$/),
    hint: "Push it.",
  });
});

test.each([
  ["says something", "echo hi", "hi\n"],
  ["says nothing", "true", ""],
])("a command in the place of a file that %s is read to its end", async (_what, command, said) => {
  const script = `const { readNamed } = await import("./src/host/named/content.ts");
    const limits = { action: "cannot read", hint: "", maxBytes: 1000, largerHint: "" };
    console.log(JSON.stringify((await readNamed(process.argv[1], limits)).toString()));`;
  const words = ["--import", "tsx", "--input-type=module", "--eval", script];
  const bash = `exec "$@" <(${command})`;
  const stdout = execFileSync("bash", ["-c", bash, "bash", process.execPath, ...words], { encoding: "utf8" });
  expect(JSON.parse(stdout)).toBe(said);
});

test("a wait for a pipe can be cancelled", async () => {
  const controller = new AbortController();
  const reading = readNamed(pipe, { ...patient, signal: controller.signal });
  const rejected = expect(reading).rejects.toMatchObject({ code: "cancelled" });
  await sleep(100);
  controller.abort();
  await rejected;
});

test("a file that grows without end while it is read is given up at the limit", async () => {
  const path = join(dir, "growing");
  await writeFile(path, "");
  const writer = spawn("sh", ["-c", 'exec yes >> "$1"', "sh", path]);
  onTestFinished(() => void writer.kill("SIGKILL"));
  await expect
    .poll(() => readNamed(path, limits).catch((error: unknown) => String(error)), { timeout: 30_000 })
    .toMatch(/larger than/);
});

const endless = () => {
  const piece = Buffer.alloc(100, "x");
  return Readable.from(
    (function* () {
      for (;;) yield piece;
    })(),
  );
};

test.each([
  ["never ends", endless, impatient, { code: "invalid_argument", message: expect.stringMatching(/larger than/) }],
  ["never begins", () => new PassThrough(), impatient, { code: "timeout" }],
  [
    "waits for ever, for a caller that gives up",
    () => new PassThrough(),
    { ...patient, signal: AbortSignal.abort() },
    {
      code: "cancelled",
    },
  ],
])("standard input that %s is given up, and closed", async (_what, input, options, refusal) => {
  const stream = input();
  await expect(readStream(stream, options)).rejects.toMatchObject(refusal);
  expect(stream.destroyed).toBe(true);
});

/** A file system that never answers, for as long as its descriptor is open. */
const mountSilent = `mkdir -p "$1/silent"; exec 3<>/dev/fuse
  mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 silent "$1/silent"`;

function canMountSilent(): boolean {
  const place = mkdtempSync(join(tmpdir(), "pyro-silent-"));
  try {
    execFileSync("unshare", ["--mount", "sh", "-euc", mountSilent, "sh", place], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(place, { recursive: true });
  }
}

test.runIf(canMountSilent())("a file system that does not answer is given up, and the process can end", () => {
  const script = `const { lookAtNamed } = await import("./src/host/named/look.ts");
    const error = await lookAtNamed(process.argv[1], { action: "cannot read seed", hint: "" }).catch((it) => it);
    console.log(JSON.stringify(error)); process.exit(0);`;
  const words = [process.execPath, "--import", "tsx", "--input-type=module", "--eval", script, join(dir, "silent/a")];
  const command = ["--mount", "sh", "-euc", `${mountSilent}; shift; "$@"`, "sh", dir, ...words];
  const said = execFileSync("unshare", command, { encoding: "utf8", timeout: 30_000 });
  expect(JSON.parse(said)).toMatchObject({
    code: "timeout",
    message: `cannot read seed '${dir}/silent/a': its file system has not answered for 3 s`,
  });
});
