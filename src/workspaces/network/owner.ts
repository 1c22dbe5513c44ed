import { redactedEntry } from "../../network/ledger.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { networkVerbs } from "./verbs.ts";

export function networkOwner({ egress, secrets }: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(networkVerbs, {
    async openConnections() {
      await egress.settled();
      return { entries: egress.open.map((entry) => redactedEntry(entry, (text) => secrets.redacted(text))) };
    },
  });
}
