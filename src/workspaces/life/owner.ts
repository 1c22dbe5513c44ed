import { compilePolicy } from "../../network/policy/policy.ts";
import { allowsPublishedPorts } from "../../network/policy/rules.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { updated } from "../record/update.ts";
import { lifeVerbs } from "./verbs.ts";

export function lifeOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(lifeVerbs, {
    start: () => workspace.running(),
    async update(input) {
      const record = await workspace.update((present) => updated(present, input));
      if (!input.network) return record;
      workspace.egress.usePolicy(compilePolicy(record.network));
      if (allowsPublishedPorts(record.network.mode)) return record;
      await workspace.ports.closeAll();
      return workspace.update({ publishedPorts: [] });
    },
    stop: () => workspace.exclusively(() => workspace.stop("the workspace was stopped")),
    async delete() {
      await workspace.delete("the workspace was deleted");
      return {};
    },
  });
}
