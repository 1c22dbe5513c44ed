import { expect, test } from "vitest";
import { type Ended, endOf, stopReasonOf } from "../../../../src/workspaces/service/ending.ts";

const ending = {
  ...{ exitCode: 3, signal: null, timedOut: false, cancelled: false, oomKilled: false, durationMs: 5 },
};
const running = { hasDied: false, endReason: undefined };
const ready: Ended = { session: running, wantedEnd: undefined, isReady: true };

test.each([
  ["exited", ready, ending, "exited"],
  ["exited_before_ready", { ...ready, isReady: false }, ending, "failed"],
  ["exited_before_ready", ready, { ...ending, error: { code: "command_not_found", message: "no" } }, "failed"],
  ["out_of_memory", ready, { ...ending, oomKilled: true }, "failed"],
  ["stopped", { ...ready, wantedEnd: "stopped" }, ending, "stopped"],
  ["readiness_timeout", { ...ready, wantedEnd: "readiness_timeout", isReady: false }, undefined, "failed"],
  ["workspace_stopped", { ...ready, session: { ...running, endReason: "it was stopped" } }, ending, "stopped"],
  ["machine_died", { ...ready, session: { hasDied: true, endReason: "died" } }, undefined, "failed"],
] as const)("%s", (reason, how, reported, state) => {
  expect(stopReasonOf(how, reported)).toBe(reason);
  expect(endOf(reason, reported)).toMatchObject({ state, stopReason: reason, exitCode: reported ? 3 : null });
});
