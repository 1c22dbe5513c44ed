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

const mib = 1024 * 1024;

test("of more than 64 MiB the first half and the last are kept", () => {
  const collected = new CollectedOutput();
  for (let sent = 0; sent < 65; sent++) void collected.streams.onStdout(Buffer.alloc(mib, sent === 64 ? "z" : "a"));
  const { stdout, stdoutBytes, truncated } = collected.result();
  expect(stdoutBytes).toBe(65 * mib);
  expect(truncated).toBe(true);
  const [head = "", mark, tail = ""] = stdout.split("\n");
  expect(mark).toBe(`[… ${mib} bytes left out …]`);
  expect([head.length, tail.length]).toEqual([32 * mib, 32 * mib]);
  expect(tail.slice(30 * mib)).toBe("a".repeat(mib) + "z".repeat(mib));
});

test("a surface says how much is kept, and gets text for text", () => {
  const collected = new CollectedOutput({ keptOutputBytes: 10 });
  for (const word of ["文文", "ab", "文文", "文"]) void collected.streams.onStdout(Buffer.from(word));
  // Five bytes of each end: one character and a part of the next.
  expect(collected.result()).toMatchObject({
    stdout: "文\n[… 11 bytes left out …]\n文",
    stdoutEncoding: "utf-8",
    stdoutBytes: 17,
    truncated: true,
    stderr: "",
    stderrBytes: 0,
  });
});

test("what is no text and too long is base64 of both ends with the line between", () => {
  const collected = new CollectedOutput({ keptOutputBytes: 8 });
  void collected.streams.onStderr(Buffer.from([0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0xfe]));
  const { stderr, stderrEncoding } = collected.result();
  expect(stderrEncoding).toBe("base64");
  const mark = Buffer.from("\n[… 2 bytes left out …]\n");
  const expected = Buffer.concat([Buffer.from([0xff, 1, 2, 3]), mark, Buffer.from([6, 7, 8, 0xfe])]);
  expect(Buffer.from(stderr, "base64").equals(expected)).toBe(true);
});

test("of a command that still runs the last character may not be there yet", () => {
  const collected = new CollectedOutput();
  void collected.streams.onStdout(Buffer.from("grü").subarray(0, 3));
  expect(collected.result({ running: true })).toMatchObject({ stdout: "gr", stdoutEncoding: "utf-8", stdoutBytes: 3 });
  expect(collected.result()).toMatchObject({ stdoutEncoding: "base64" });
});

test("what another reader takes as it comes is only counted", async () => {
  const seen: string[] = [];
  const slow = Promise.resolve();
  const liveStreams = { onStdout: (chunk: Buffer) => void seen.push(`${chunk}`), onStderr: () => slow };
  const collected = new CollectedOutput({ keptOutputBytes: 1, liveStreams });
  void collected.streams.onStdout(Buffer.from("abc"));
  expect(collected.streams.onStderr(Buffer.from("de"))).toBe(slow);
  expect(seen).toEqual(["abc"]);
  expect(collected.result()).toMatchObject({
    stdout: "",
    stderr: "",
    stdoutBytes: 3,
    stderrBytes: 2,
    truncated: false,
  });
});

test.each([
  ["before the cap", 0],
  ["after the cap", 64 * 1024 * 1024],
])("%s it copies what it keeps, as a slice would keep its whole buffer", (_when, alreadyCollected) => {
  const collected = new CollectedOutput();
  void collected.streams.onStdout(Buffer.alloc(alreadyCollected, "x"));
  const chunk = Buffer.from("abc");
  void collected.streams.onStdout(chunk);
  chunk.fill("z");
  const { stdout, truncated } = collected.result();
  expect(stdout.slice(-3)).toBe("abc");
  expect(truncated).toBe(alreadyCollected > 0);
});

test("a surface for a model gets what a terminal would be left with, and how much there was", () => {
  const collected = new CollectedOutput({ keptOutputBytes: 1_000, asTerminal: true });
  for (let percent = 0; percent <= 100; percent += 1)
    void collected.streams.onStdout(Buffer.from(`\r\x1b[K\x1b[32m${percent}%\x1b[0m`));
  void collected.streams.onStderr(Buffer.from([0x63, 0x61, 0x66, 0xe9]));
  expect(collected.result()).toMatchObject({
    ...{ stdout: "100%", stdoutEncoding: "utf-8", stdoutBytes: 1607 },
    ...{ stderr: "caf\\xe9", stderrEncoding: "utf-8", stderrBytes: 4, truncated: false },
  });
});
