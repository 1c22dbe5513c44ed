import { describeServices } from "../cases/workspace-services.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { workspaceWithoutVm } from "../helpers/namespaces/workspace.ts";

describeWithNamespaces("services of a workspace without a VM", () => describeServices(workspaceWithoutVm));
