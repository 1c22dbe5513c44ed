import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { CollectedOutput } from "../../../src/operations/collected-output.ts";

test("text that is cut between chunks in mid-character stays text", () => {
  const collected = new CollectedOutput();
  for (const byte of Buffer.from("grüß €")) void collected.streams.onStdout(Buffer.from([byte]));
  expect(collected.result()).toMatchObject({ stdout: "grüß €", stdoutEncoding: "utf-8", truncated: false });
});

test("bytes that are no text come back as base64", () => {
  const collected = new CollectedOutput();
  void collected.streams.onStderr(Buffer.from([0xff, 0x00]));
  expect(collected.result()).toMatchObject({
    stderr: "/wA=",
    stderrEncoding: "base64",
    stdout: "",
    stdoutEncoding: "utf-8",
  });
});

test("output past the cap is dropped and said to be", () => {
  const collected = new CollectedOutput();
  const mib = Buffer.alloc(1024 * 1024, "x");
  for (let sent = 0; sent < 65; sent++) void collected.streams.onStdout(mib);
  const { stdout, truncated } = collected.result();
  expect(stdout.length).toBe(64 * 1024 * 1024);
  expect(truncated).toBe(true);
});

test.each([
  ["before the cap", 0],
  ["after the cap", 64 * 1024 * 1024],
])("%s the buffers that slices come from are not kept", (_when, alreadyCollected) => {
  const collected = new CollectedOutput();
  void collected.streams.onStdout(Buffer.alloc(alreadyCollected, "x"));
  const bytesBefore = retainedBytes();
  for (let sent = 0; sent < 500; sent++) {
    void collected.streams.onStdout(Buffer.allocUnsafeSlow(1024 * 1024).subarray(0, 16));
  }
  // All 500 MiB would be kept; what the collector has not come to yet is far less.
  expect(retainedBytes() - bytesBefore).toBeLessThan(200 * 1024 * 1024);
  expect(collected.result().truncated).toBe(alreadyCollected > 0);
});

function retainedBytes(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}
