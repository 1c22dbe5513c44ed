import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { Shells } from "./shells.ts";
import { shellVerbs } from "./verbs.ts";

export function shellOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  const shells = new Shells(workspace);
  return owned(shellVerbs, {
    openShell: (input) => shells.open(input),
    listShells: () => shells.list(),
    readShell: (input, call) => shells.read(input, call),
    writeShell: (input) => shells.write(input),
    signalShell: (input, call) => shells.signal(input, call),
    resizeShell: (input) => shells.resize(input),
    closeShell: ({ shellId }) => shells.close(shellId),
    attachShell: ({ shellId }, call) => shells.attach(shellId, call),
  });
}
