import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { Services } from "./services.ts";
import { serviceVerbs } from "./verbs.ts";

export function serviceOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  const services = new Services(workspace);
  return owned(serviceVerbs, {
    startService: (input) => services.start(input),
    serviceState: ({ serviceName }) => services.state(serviceName),
    stopService: (input) => services.stop(input),
  });
}
