import { describeFiles } from "../cases/workspace-files.ts";
import { describeWithVm, workspaceInVm } from "../helpers/vm.ts";

describeWithVm("files of a workspace", () => describeFiles(workspaceInVm));
