import { describePorts } from "../cases/workspace-ports.ts";
import { describeWithVm, workspaceInVm } from "../helpers/vm.ts";

describeWithVm("published ports of a workspace", () => describePorts(workspaceInVm));
