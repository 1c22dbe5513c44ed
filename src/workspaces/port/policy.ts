import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { allowsPublishedPorts } from "../../network/policy/rules.ts";
import type { WorkspaceRecord } from "../record/record.ts";

/** Refuses to publish a port of a workspace whose policy has no published ports. */
export function requirePublishing({ network, workspaceId }: Pick<WorkspaceRecord, "network" | "workspaceId">): void {
  if (allowsPublishedPorts(network.mode)) return;
  const networkPolicy = network.mode === "egress" ? "egress+published-ports" : "published-ports";
  throw new PyroError(
    "failed_precondition",
    "published ports require workspace network_policy 'egress+published-ports' or 'published-ports'",
    { hint: hint`${toRun("workspace.update", { workspaceId, networkPolicy })}.` },
  );
}
