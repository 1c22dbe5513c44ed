import type { Operation } from "./clients.ts";

/** Operations on one workspace, for both kinds of clients. */
export function operationsOn(workspaceId: string) {
  const operation = (path: readonly string[], args: readonly string[], input: Record<string, unknown>): Operation => ({
    path,
    args,
    input: { ...input, workspaceId },
  });
  return {
    exec: (command: readonly string[], timeoutSeconds = 60) =>
      operation(["exec"], ["exec", workspaceId, "--timeout-seconds", String(timeoutSeconds), "--", ...command], {
        command,
        timeoutSeconds,
      }),
    write: (path: string, text: string) =>
      operation(["file", "write"], ["file", "write", workspaceId, path, "--text", text], { path, text }),
    read: (path: string, maxBytes = 1_000_000) =>
      operation(["file", "read"], ["file", "read", workspaceId, path, "--max-bytes", String(maxBytes)], {
        path,
        maxBytes,
      }),
    files: (path = "/workspace") =>
      operation(["file", "list"], ["file", "list", workspaceId, path, "--recursive"], { path, recursive: true }),
    patch: (patch: string) =>
      operation(["patch", "apply"], ["patch", "apply", workspaceId, "--patch", patch], { patch }),
    push: (source: string) =>
      operation(["sync", "push"], ["sync", "push", workspaceId, source], {
        sourcePath: source,
      }),
    export: (path: string, output: string) =>
      operation(["export"], ["export", workspaceId, path, "--output", output], { path, outputPath: output }),
    diff: () => operation(["diff"], ["diff", workspaceId], {}),
    summary: () => operation(["summary"], ["summary", workspaceId], {}),
    logs: () => operation(["logs"], ["logs", workspaceId], {}),
    status: () => operation(["status"], ["status", workspaceId], {}),
    label: (key: string, value: string) =>
      operation(["update"], ["update", workspaceId, "--label", `${key}=${value}`], { labels: { [key]: value } }),
    rename: (name: string) => operation(["update"], ["update", workspaceId, "--name", name], { name }),
    snapshot: (snapshotName: string) =>
      operation(["snapshot", "create"], ["snapshot", "create", workspaceId, snapshotName], { snapshotName }),
    dropSnapshot: (snapshotName: string) =>
      operation(["snapshot", "delete"], ["snapshot", "delete", workspaceId, snapshotName], { snapshotName }),
    snapshots: () => operation(["snapshot", "list"], ["snapshot", "list", workspaceId], {}),
    reset: (snapshot = "baseline") =>
      operation(["reset"], ["reset", workspaceId, "--snapshot", snapshot], { snapshot }),
    start: () => operation(["start"], ["start", workspaceId], {}),
    stop: () => operation(["stop"], ["stop", workspaceId], {}),
    delete: () => operation(["delete"], ["delete", workspaceId], {}),
  };
}
export type WorkspaceOperations = ReturnType<typeof operationsOn>;

export const listAll: Operation = { path: ["list"], args: ["list"], input: {} };

/** A patch that adds a file of one line. */
export function additionPatch(path: string, line: string): string {
  return `--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+${line}\n`;
}

/** A patch that replaces the only line of a file. */
export function changePatch(path: string, before: string, after: string): string {
  return `--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-${before}\n+${after}\n`;
}
