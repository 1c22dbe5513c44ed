import type { Workbench } from "../helpers/workbench.ts";

/** A workspace of a workbench, in a VM or without one. */
export interface WorkspaceUnderTest extends AsyncDisposable {
  readonly bench: Workbench;
  readonly workspaceId: string;
}
