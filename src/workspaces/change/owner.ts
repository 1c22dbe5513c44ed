import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned, passOn } from "../control/server.ts";
import { changeVerbs } from "./verbs.ts";

export function changeOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(changeVerbs, {
    async treeChanges(input, call) {
      const { machine } = await workspace.session();
      return passOn(machine.agent.treeChanges(input, call.signal), call);
    },
  });
}
