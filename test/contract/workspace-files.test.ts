import { describeFiles } from "../cases/workspace-files.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { workspaceWithoutVm } from "../helpers/namespaces/workspace.ts";

describeWithNamespaces("files of a workspace without a VM", () => describeFiles(workspaceWithoutVm));
