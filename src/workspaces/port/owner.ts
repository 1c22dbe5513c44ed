import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import type { VerbInput } from "../control/protocol.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import type { PublishedPort } from "../record/port.ts";
import { requirePublishing } from "./policy.ts";
import { portVerbs } from "./verbs.ts";

export function portOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  const { ports } = workspace;
  return owned(portVerbs, {
    publish: (input) => workspace.exclusively(() => publish(workspace, input)),
    closePort: ({ guestPort }) =>
      workspace.exclusively(async () => {
        const serviceName = ports.serviceOf(guestPort);
        if (serviceName !== undefined) {
          throw new PyroError(
            "failed_precondition",
            `cannot close port ${guestPort}: it belongs to service '${serviceName}'`,
            { hint: hint`${toRun("workspace.service.stop", { serviceName })} to close it.` },
          );
        }
        if (!(await ports.close(guestPort))) {
          throw new PyroError("not_found", `cannot close port ${guestPort}: it is not published`);
        }
        await workspace.update(({ publishedPorts }) => ({
          publishedPorts: publishedPorts.filter((port) => port.guestPort !== guestPort),
        }));
        return {};
      }),
    portStates: async () => ({ ports: [...ports.states] }),
  });
}

async function publish(
  workspace: OwnedWorkspace,
  { guestPort, hostPort }: VerbInput<typeof portVerbs.publish>,
): Promise<PublishedPort> {
  await workspace.session();
  requirePublishing(workspace.record);
  const port = await workspace.ports.publish(guestPort, hostPort);
  await workspace
    .update(({ publishedPorts }) => ({ publishedPorts: [...publishedPorts, port] }))
    .catch(async (error: unknown) => {
      await workspace.ports.close(guestPort);
      throw error;
    });
  return port;
}
