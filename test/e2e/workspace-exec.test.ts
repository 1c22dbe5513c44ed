import { describeCommands } from "../cases/workspace-exec.ts";
import { describeWithVm, workspaceInVm } from "../helpers/vm.ts";

describeWithVm("commands in a workspace", () => describeCommands(workspaceInVm));
