import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { ensureDir } from "./files.ts";
import { endingOf, killGroup, spawnTied } from "./process.ts";

export interface LockRequest {
  readonly dir: string;
  /** File name of the lock; letters, digits, dots and dashes */
  readonly name: string;
  /** What the holder does, for those who wait: `building a template of debian:12` */
  readonly purpose: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told once, when somebody else holds the lock */
  readonly onWait?: (holder: string) => void;
}

/** How long to try silently before telling that somebody else holds the lock. */
const quietWaitMs = 300;

/**
 * Runs `work` while no other process on this host holds the lock. The kernel holds it (flock) for a child that lives as long as this
 * process, so no crash leaves a stale one.
 */
export async function withLock<T>(request: LockRequest, work: () => Promise<T>): Promise<T> {
  await ensureDir(request.dir);
  const path = join(request.dir, `${request.name}.lock`);
  const release = await acquire(path, request);
  try {
    await writeFile(path, `${process.pid} ${request.purpose}\n`);
    return await work();
  } finally {
    await release();
  }
}

async function acquire(path: string, request: LockRequest): Promise<() => Promise<void>> {
  const { timeoutMs, signal } = request;
  const holder = spawnTied(
    ["flock", "--no-fork", "--exclusive", path, "/bin/sh", "-c", "echo locked; exec cat"],
    "KILL",
    { stdio: ["pipe", "pipe", "ignore"] },
  );
  const ended = endingOf(holder, "flock");
  const locked = new Promise<true>((resolve) => holder.stdout?.once("data", () => resolve(true)));
  const abandoned = new Promise<"cancelled">((resolve) => {
    signal?.addEventListener("abort", () => resolve("cancelled"), { once: true });
    if (signal?.aborted) resolve("cancelled");
  });
  const release = async () => {
    holder.stdin?.end();
    await ended;
  };
  const notice = setTimeout(async () => request.onWait?.(await describeHolder(path)), quietWaitMs);
  let expiry: NodeJS.Timeout | undefined;
  const expired = new Promise<"timeout">((resolve) => {
    expiry = setTimeout(() => resolve("timeout"), timeoutMs);
  });
  try {
    const outcome = await Promise.race([locked, ended, abandoned, expired]);
    if (outcome === true) return release;
    killGroup(holder, "SIGKILL");
    if (outcome === "cancelled") throw new PyroError("cancelled", "the operation was cancelled");
    if (outcome !== "timeout")
      throw new PyroError("internal", `cannot lock '${path}': flock ended`, { details: { ...outcome } });
    throw new PyroError("timeout", `timed out after ${timeoutMs / 1000} s waiting for ${await describeHolder(path)}`, {
      hint: "Wait for the other process to finish, or stop it, and try again.",
    });
  } finally {
    clearTimeout(notice);
    clearTimeout(expiry);
  }
}

async function describeHolder(path: string): Promise<string> {
  const owner = /^(\d+) (.+)/.exec(await readFile(path, "utf8").catch(() => ""));
  return owner ? `process ${owner[1]}, which is ${owner[2]}` : `the holder of '${path}'`;
}
