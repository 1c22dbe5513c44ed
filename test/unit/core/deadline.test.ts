import { expect, test } from "vitest";
import { unlessCancelled, withDeadline } from "../../../src/core/deadline.ts";
import { PyroError } from "../../../src/core/errors.ts";

const never = new Promise<never>(() => {});

test("settles as the work does", async () => {
  await expect(withDeadline(Promise.resolve(1), { timeoutMs: 1000, waitingFor: "it" })).resolves.toBe(1);
  await expect(withDeadline(Promise.reject(new Error("no")), { timeoutMs: 1000, waitingFor: "it" })).rejects.toThrow(
    "no",
  );
});

test("says what it waited for, and for how long", async () => {
  const waiting = withDeadline(never, { timeoutMs: 20, waitingFor: "the guest agent", hint: "Try again." });
  await expect(waiting).rejects.toMatchObject({
    code: "timeout",
    message: "timed out after 0.02 s waiting for the guest agent",
    hint: "Try again.",
  });
});

test("ends when it is cancelled, before or during", async () => {
  const controller = new AbortController();
  const waiting = withDeadline(never, { timeoutMs: 60_000, waitingFor: "it", signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  await expect(
    withDeadline(never, { timeoutMs: 60_000, waitingFor: "it", signal: controller.signal }),
  ).rejects.toMatchObject({
    code: "cancelled",
  });
});

test("work is waited for without a deadline, unless it is cancelled", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  await expect(unlessCancelled(Promise.resolve(1), undefined)).resolves.toBe(1);
  await expect(unlessCancelled(Promise.resolve(1), signal)).resolves.toBe(1);
  await expect(unlessCancelled(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  const waiting = unlessCancelled(never, signal);
  const reason = new PyroError("cancelled", "the caller has gone");
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  // A failure after the caller has given up must not end the process.
  await expect(unlessCancelled(Promise.reject(new Error("no")), signal)).rejects.toBe(reason);
});
