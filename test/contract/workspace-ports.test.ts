import { describePorts } from "../cases/workspace-ports.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { workspaceWithoutVm } from "../helpers/namespaces/workspace.ts";

describeWithNamespaces("published ports of a workspace without a VM", () => describePorts(workspaceWithoutVm));
