import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { changedMetadata } from "../record/metadata.ts";
import { lifeVerbs } from "./verbs.ts";

export function lifeOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(lifeVerbs, {
    start: () => workspace.running(),
    update: (input) => workspace.update((record) => changedMetadata(record, input)),
    stop: () => workspace.exclusively(() => workspace.stop("the workspace was stopped")),
    async delete() {
      await workspace.delete("the workspace was deleted");
      return {};
    },
  });
}
