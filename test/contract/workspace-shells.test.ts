import { describeShells } from "../cases/workspace-shells.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { workspaceWithoutVm } from "../helpers/namespaces/workspace.ts";

describeWithNamespaces("shells of a workspace without a VM", () => describeShells(workspaceWithoutVm));
