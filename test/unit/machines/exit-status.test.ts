import { expect, test } from "vitest";
import { nothingReported } from "../../../src/guest/messages.ts";
import { exitStatus } from "../../../src/machines/exit-status.ts";

const ending = { ...nothingReported, exitCode: 0, durationMs: 1 };

test.each([
  ["an exit code", { exitCode: 7 }, 7],
  ["a signal without a name", { exitCode: null, signal: "SIG34" }, 162],
  ["a signal", { exitCode: null, signal: "SIGTERM" }, 143],
  ["a signal that this host does not know", { exitCode: null, signal: "SIGWHAT" }, 128],
  ["a signal with the name of an object's method", { exitCode: null, signal: "toString" }, 128],
  ["a timeout, whatever signal it took", { exitCode: null, signal: "SIGKILL", timedOut: true }, 124],
  ["a command that was not found", { exitCode: 127, error: { code: "command_not_found", message: "x" } }, 127],
])("%s becomes one exit code", (_what, change, exitCode) => {
  expect(exitStatus({ ...ending, ...change }).exitCode).toBe(exitCode);
});
