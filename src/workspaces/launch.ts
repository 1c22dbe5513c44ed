import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import * as z from "zod";
import { withDeadline } from "../core/deadline.ts";
import { PyroError } from "../core/errors.ts";
import { writeRecord } from "../host/files.ts";
import type { HeldLock } from "../host/lock-file.ts";
import { acceleratorChoices } from "../sandbox/accelerator.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { parseError } from "./control-client.ts";
import type { WorkspacePlace } from "./store.ts";

/** What a supervisor begins with: a fork over the seed, a boot of the disks as they are, or a fork over a checkpoint. */
const modes = ["create", "start", "reset"] as const;

const layoutSchema = z.object({
  environmentsDir: z.string(),
  templatesDir: z.string(),
  factsDir: z.string(),
  locksDir: z.string(),
  scratchDir: z.string(),
  seedsDir: z.string(),
  workspacesDir: z.string(),
  agentPath: z.string(),
  supervisorPath: z.string(),
});

/** Written for the supervisor to find when it starts; it need not have its caller's environment. */
export const launchSchema = z.object({
  mode: z.enum(modes),
  /** For `reset`: the checkpoint */
  snapshotName: z.string().optional(),
  context: z.object({
    layout: layoutSchema,
    searchPath: z.string(),
    mirror: z.string().optional(),
    acceleratorChoice: z.enum(acceleratorChoices),
    uid: z.number(),
    templateBudgetBytes: z.number(),
    seedBudgetBytes: z.number(),
    maxActiveWorkspaces: z.number(),
  }),
});
export type Launch = z.output<typeof launchSchema>;

/** The supervisor's end of the pipe that tells its starter; the next descriptor is the lock, which it only has to keep open. */
export const readyFd = 3;

/** A boot on a busy host, and a template to be built before it */
const readyTimeoutMs = 300_000;

/**
 * The guardian: outlives its supervisor, to end the workspace at its time when the supervisor cannot. Only the supervisor has the pipe and
 * the lock.
 */
const guardianScript = `
"$1" "$2" run "$3" 3>&3 4>&4 &
exec 3>&- 4>&-
wait "$!"
[ -d "$3" ] || exit 0
left=$(($4 - $(date +%s)))
[ "$left" -le 0 ] || sleep "$left"
exec "$1" "$2" expire "$3"
`;

export interface LaunchRequest {
  readonly context: SandboxContext;
  readonly place: WorkspacePlace;
  readonly lock: HeldLock;
  readonly mode: Launch["mode"];
  readonly snapshotName?: string | undefined;
  readonly expiresAt: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts the supervisor of a workspace and waits until it serves. It gets our lock, and a parent of its own that init adopts: neither our
 * end nor that of all our descendants is its end.
 */
export async function launchSupervisor(request: LaunchRequest): Promise<void> {
  const { context, place, mode, snapshotName } = request;
  const launch = { mode, ...(snapshotName === undefined ? {} : { snapshotName }), context: toLaunchContext(context) };
  await writeRecord(place.launchPath, launchSchema, launch);
  const ready = startGuardian(request);
  const waitingFor = `the supervisor of workspace '${place.workspaceId}' to start`;
  const said = await withDeadline(textOf(ready), {
    timeoutMs: readyTimeoutMs,
    waitingFor,
    signal: request.signal,
  }).finally(() => ready.destroy());
  if (said.trim() === "ok") return;
  if (said !== "") throw parseError({ payload: Buffer.from(said) });
  const log = await readFile(place.logPath, "utf8").catch(() => "");
  const lastLine = log.trim().split("\n").at(-1) ?? "";
  throw new PyroError("internal", `the supervisor of workspace '${place.workspaceId}' ended at once: ${lastLine}`, {
    details: { log: log.slice(-4_000) },
  });
}

function startGuardian({ context, place, lock, expiresAt }: LaunchRequest): Readable {
  const log = openSync(place.logPath, "a", 0o600);
  const { supervisorPath } = context.layout;
  const expiresAtSeconds = String(Math.ceil(Date.parse(expiresAt) / 1000));
  const script = [
    "sh",
    "-c",
    guardianScript,
    "pyro-guardian",
    process.execPath,
    supervisorPath,
    place.dir,
    expiresAtSeconds,
  ];
  try {
    const child = spawn("setsid", ["--fork", ...script], {
      stdio: ["ignore", log, log, "pipe", lock.fd],
      cwd: "/",
    });
    child.on("error", () => {
      // Then the pipe ends without a word.
    });
    return child.stdio[readyFd] as Readable;
  } finally {
    closeSync(log);
  }
}

function toLaunchContext({ mirror, ...context }: SandboxContext): Launch["context"] {
  return { ...context, ...(mirror === undefined ? {} : { mirror }) };
}

export function fromLaunchContext({ mirror, ...context }: Launch["context"]): SandboxContext {
  return { ...context, mirror };
}

async function textOf(stream: Readable): Promise<string> {
  stream.setEncoding("utf8");
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}
