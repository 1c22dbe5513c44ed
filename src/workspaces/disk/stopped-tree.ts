import { PyroError } from "../../core/errors.ts";
import { type Hint, hint, toRun } from "../../core/hint.ts";
import { workspacePath } from "../../core/workspace-path.ts";
import type { AgentClient } from "../../guest/agent.ts";
import { framesOf } from "../../guest/frames.ts";
import { decodeTree } from "../../guest/tree/decode.ts";
import { wirePath } from "../../guest/tree/encode.ts";
import type { GuestEntry, GuestItem } from "../../guest/tree/messages.ts";
import { displayPath } from "../../tree/name.ts";
import type { WorkspaceCall } from "../control/access.ts";
import type { ReadRequest } from "../file/caller.ts";
import type { FileTree } from "../file/reading/tree-files.ts";
import { rootDevice } from "./inspection.ts";

/** Path of the workspace's tree in the root, as bytes */
const mountPath = Buffer.from(workspacePath.slice(1));
const slash = Buffer.from("/");
const noPath = Buffer.alloc(0);

/** A stopped workspace that an inspection's guest has mounted. */
export interface Stopped extends WorkspaceCall {
  readonly agent: AgentClient;
}

/** What is taken out of names and content. */
type Hidden = Pick<FileTree, "findSecrets">;

/** Mounts the root disk, which only what is outside `/workspace` needs. */
export async function mountRoot({ agent, workspaceId, signal }: Stopped): Promise<void> {
  await agent.inspect(rootDevice, signal).catch((error: unknown) => {
    const { code, message } = PyroError.from(error);
    throw new PyroError(code, `cannot read the root disk of workspace '${workspaceId}': ${message}`, {
      hint: `Look into ${workspacePath}, which is on a disk of its own.`,
      cause: error,
    });
  });
}

/**
 * The tree that the workspace's machine had from `/`, without what was only in its memory. A path
 * is in one of two trees, as the mount at `/workspace` divides them.
 */
export function stoppedTree(stopped: Stopped, { findSecrets }: Hidden): FileTree {
  const { workspaceId } = stopped;
  let mounting: Promise<void> | undefined;
  const mountOnce = () => {
    mounting ??= mountRoot(stopped);
    return mounting;
  };
  const cannotRead = (path: Buffer, reason: string, advice: string | Hint) =>
    new PyroError("failed_precondition", `cannot read '${shown(path)}': ${reason}`, { hint: advice });
  const toList = hint`${toRun("workspace.disk.list", { workspaceId })}.`;
  const noSuchFile = (path: Buffer, missing?: GuestEntry) =>
    missing?.reason === "symbolic_link"
      ? cannotRead(path, "a directory on its way is a symbolic link, which leads elsewhere", toList)
      : new PyroError("not_found", `there is no '${shown(path)}' on the disks of workspace '${workspaceId}'`, {
          hint: toList,
        });
  return {
    read: (request) => readMerged(stopped, mountOnce, request),
    onProgress: stopped.onProgress,
    findSecrets,
    shown,
    noSuchFile,
    requireRegularFile(entry, path) {
      if (entry.type === "file") return;
      if (entry.type === "missing") throw noSuchFile(path, entry);
      if (entry.type === "directory") throw cannotRead(path, "it is a directory", toList);
      if (entry.type !== "symlink") throw cannotRead(path, "it is no regular file", toList);
      const target = displayPath(entry.target ?? noPath);
      throw cannotRead(
        path,
        `it is a symbolic link to '${target}', which is no file on the same disk`,
        "Read the path that it leads to.",
      );
    },
    notText: (path) => cannotRead(path, "it is not UTF-8 text", "Export the disk, or start the workspace to look."),
  };
}

async function* readMerged(
  stopped: Stopped,
  mountOnce: () => Promise<void>,
  request: ReadRequest,
): AsyncGenerator<GuestItem> {
  const [path = noPath] = request.paths;
  const below = inWorkspace(path);
  if (below) return yield* readWorkspace(stopped, { ...request, paths: [below] });
  await mountOnce();
  const showsWorkspace = path.length === 0 && request.depth !== 0;
  for await (const item of readTree(stopped, request, true)) {
    const hidden = inWorkspace(item.entry.path);
    if (!hidden) yield item;
    // What the root disk has at that path is under the mount.
    else if (showsWorkspace && hidden.length === 0) {
      yield* readWorkspace(stopped, { ...request, paths: [noPath], depth: request.depth === 1 ? 0 : request.depth });
    }
  }
}

async function* readWorkspace(stopped: Stopped, request: ReadRequest): AsyncGenerator<GuestItem> {
  for await (const { entry, content } of readTree(stopped, request, false)) {
    const { target } = entry;
    const first = entry.type === "hard_link" && target ? { target: fromRoot(target) } : {};
    yield { entry: { ...entry, path: fromRoot(entry.path), ...first }, content };
  }
}

function readTree(
  { agent, signal }: Stopped,
  { paths, ...request }: ReadRequest,
  inspected: boolean,
): AsyncGenerator<GuestItem> {
  return decodeTree(framesOf(agent.readTree({ ...request, inspected, paths: paths.map(wirePath) }, signal)));
}

/** A path from the root as one in the workspace's tree; undefined if it is not in there. */
function inWorkspace(path: Buffer): Buffer | undefined {
  if (path.equals(mountPath)) return noPath;
  const prefix = Buffer.concat([mountPath, slash]);
  return path.subarray(0, prefix.length).equals(prefix) ? path.subarray(prefix.length) : undefined;
}

function fromRoot(path: Buffer): Buffer {
  return path.length === 0 ? mountPath : Buffer.concat([mountPath, slash, path]);
}

function shown(path: Buffer): string {
  return displayPath(Buffer.concat([slash, path]));
}
