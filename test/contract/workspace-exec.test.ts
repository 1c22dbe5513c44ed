import { describeCommands } from "../cases/workspace-exec.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { workspaceWithoutVm } from "../helpers/namespaces/workspace.ts";

describeWithNamespaces("commands in a workspace without a VM", () => describeCommands(workspaceWithoutVm));
