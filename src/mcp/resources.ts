import { PyroError } from "../core/errors.ts";
import { invoke, type Operation, type OperationContext } from "../operations/operation.ts";
import { workspaceDiff } from "../workspaces/change/diff-operation.ts";
import { workspaceSummary } from "../workspaces/change/summary-operation.ts";
import { workspaceLogs } from "../workspaces/command/logs-operation.ts";
import { workspaceList } from "../workspaces/life/list-operation.ts";
import { fitted } from "./result.ts";

interface ResourceKind {
  readonly name: string;
  readonly description: string;
  readonly mimeType: string;
  readonly operation: Operation;
}

const kinds: readonly ResourceKind[] = [
  {
    name: "summary",
    description: "What happened in a workspace since its last reset",
    mimeType: "text/markdown",
    operation: workspaceSummary,
  },
  {
    name: "diff",
    description: "What a workspace changed, as a patch for git apply",
    mimeType: "text/x-diff",
    operation: workspaceDiff,
  },
  {
    name: "logs",
    description: "Every command of a workspace with its output",
    mimeType: "text/plain",
    operation: workspaceLogs,
  },
];

/** Limit for listed workspaces, most recently used first. Templates reach all */
const maxListedWorkspaces = 20;
/** Limits for a resource, which a client reads in one message */
const limits = { maxResultChars: 1_000_000, maxResultLines: Number.POSITIVE_INFINITY };
const uriPattern = /^pyro:\/\/workspaces\/([^/]+)\/([a-z]+)$/;

export function resourceTemplates() {
  return kinds.map(({ name, description, mimeType }) => ({
    name: `workspace-${name}`,
    description,
    mimeType,
    uriTemplate: `pyro://workspaces/{workspace_id}/${name}`,
  }));
}

export async function listResources(context: OperationContext) {
  const { workspaces } = await invoke(workspaceList, context, {});
  return workspaces.slice(0, maxListedWorkspaces).flatMap(({ workspaceId, name: own }) =>
    kinds.map(({ name, description, mimeType }) => ({
      uri: `pyro://workspaces/${workspaceId}/${name}`,
      name: `${own ?? workspaceId} ${name}`,
      description,
      mimeType,
    })),
  );
}

/** The text of a resource as it is now. */
export async function readResource(context: OperationContext, uri: string) {
  const [, workspaceId, name] = uriPattern.exec(uri) ?? [];
  const kind = kinds.find((candidate) => candidate.name === name);
  if (!kind) {
    throw new PyroError("not_found", `cannot read resource '${uri}': there is no such resource`, {
      hint: `Resources are ${kinds.map((each) => `pyro://workspaces/ID/${each.name}`).join(", ")}.`,
    });
  }
  const { operation, mimeType } = kind;
  const { output, text } = fitted(operation, await invoke(operation, context, { workspaceId }), limits);
  return [{ uri, mimeType, text: operation.cli?.raw?.(output) ?? text }];
}
