import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { endsWithin } from "../../core/deadline.ts";
import { withoutInherited } from "../../host/inherited-fds.ts";

/** The end of a remover that has nothing to remove takes milliseconds */
const removerEndMs = 2_000;

/**
 * Waits for a word. If its process dies before it gives that word, the pipe ends, and the tree
 * goes. Its working folder is the tree's, wherever that is moved.
 */
const removerScript = `
read -r done && exit
exec 2>/dev/null
chmod -R u+rwX -- "./$1"
rm -rf -- "./$1" && [ -n "$2" ] && rm -f -- "$2"
`;

/** A name beside the target, for a tree that is not complete. */
export interface Staging extends AsyncDisposable {
  /** Where the tree is written */
  readonly path: string;
  /** The target. Both paths lead through the open folder, so they follow it if it is moved */
  readonly targetPath: string;
  /** Whether the folder is still where the caller named it */
  isInPlace(): Promise<boolean>;
}

/** What tells other processes of an incomplete tree. */
export interface StagingNote extends AsyncDisposable {
  /** File that goes with the tree; empty for none */
  readonly path: string;
}

export const noNote: StagingNote = { path: "", async [Symbol.asyncDispose]() {} };

export type NoteStaging = (path: string) => Promise<StagingNote>;

/**
 * Opens the folder of the target. Should this process be killed, another one removes what it has
 * written there. `note` keeps the path in case that one is killed too.
 */
export async function openStaging(targetPath: string, note: NoteStaging): Promise<Staging> {
  const dir = dirname(targetPath);
  const folder = await open(dir, "r");
  const name = temporaryName(basename(targetPath));
  const through = `/proc/self/fd/${folder.fd}`;
  const noted = await note(join(dir, name)).catch(async (error: unknown) => {
    await folder.close();
    throw error;
  });
  const remover = startRemover(through, name, noted.path);
  return {
    path: join(through, name),
    targetPath: join(through, basename(targetPath)),
    isInPlace: () => isAt(folder, dir),
    async [Symbol.asyncDispose]() {
      await endRemover(remover);
      await noted[Symbol.asyncDispose]();
      await folder.close();
    },
  };
}

async function isAt(folder: FileHandle, path: string): Promise<boolean> {
  const [ours, named] = await Promise.all([folder.stat(), stat(path).catch(() => undefined)]);
  return named?.ino === ours.ino && named.dev === ours.dev;
}

/** In a session of its own, because a kill of this process can go to its whole group. */
function startRemover(cwd: string, name: string, notePath: string): ChildProcess {
  const child = spawn("sh", ["-c", removerScript, "pyro-export", name, notePath], {
    cwd,
    detached: true,
    stdio: withoutInherited(["pipe", "ignore", "ignore"]),
  });
  for (const source of [child, child.stdin]) {
    source?.on("error", () => {
      // Then the next export or list removes what a kill leaves.
    });
  }
  child.unref();
  return child;
}

async function endRemover(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const ended = once(child, "exit").catch(() => {});
  child.stdin?.end("done\n");
  await endsWithin(ended, removerEndMs);
}

/** A name for the same folder as the target, within the limit for names. */
function temporaryName(name: string): string {
  const suffix = `.pyro-${randomBytes(8).toString("hex")}`;
  const whole = `.${name}${suffix}`;
  return Buffer.byteLength(whole) <= 255 ? whole : suffix;
}

/** Whether a name is one of those that this module gives. */
export function isStagingName(name: string): boolean {
  return /^\..*pyro-[0-9a-f]{16}$/s.test(name);
}
