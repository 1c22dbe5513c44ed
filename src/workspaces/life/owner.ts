import { compilePolicy } from "../../network/policy/policy.ts";
import { allowsPublishedPorts } from "../../network/policy/rules.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { nounOf } from "../record/kind.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { updated, type WorkspaceUpdate } from "../record/update.ts";
import { lifeVerbs } from "./verbs.ts";

export function lifeOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  const update = (input: WorkspaceUpdate) => {
    requireSpeakable(workspace, input);
    return workspace.update((record) => updated(record, input));
  };
  const noun = nounOf(workspace.place.workspaceId);
  return owned(lifeVerbs, {
    start: () => workspace.running(),
    update: (input) => (input.network ? workspace.exclusively(() => updateNetwork(workspace, input)) : update(input)),
    stop: () => workspace.exclusively(() => workspace.stop(`the ${noun} was stopped`)),
    async delete() {
      await workspace.delete(`the ${noun} was deleted`);
      return {};
    },
  });
}

/** A name and labels are shown everywhere as they are. */
function requireSpeakable({ secrets }: OwnedWorkspace, { name, setLabels }: WorkspaceUpdate): void {
  secrets.requireNone("name or label", [name ?? "", ...Object.entries(setLabels).flat()]);
}

/** No port may be published while the policy for that changes. */
async function updateNetwork(workspace: OwnedWorkspace, input: WorkspaceUpdate): Promise<WorkspaceRecord> {
  requireSpeakable(workspace, input);
  const record = await workspace.update((present) => updated(present, input));
  workspace.egress.usePolicy(compilePolicy(record.network));
  if (!allowsPublishedPorts(record.network.mode)) await workspace.ports.closeAll();
  return record;
}
