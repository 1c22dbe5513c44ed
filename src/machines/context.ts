import type { Layout } from "../host/layout.ts";
import type { EnvironmentProgress } from "../images/pull.ts";
import type { AcceleratorChoice } from "./accelerator.ts";

/** What the engine knows of the host it runs on; made once, in compose.ts. */
export interface EngineContext {
  readonly layout: Layout;
  /** Where host programs are looked for, as in PATH */
  readonly searchPath: string;
  /** Debian mirror to build environments from; default: mmdebstrap's own */
  readonly mirror: string | undefined;
  readonly acceleratorChoice: AcceleratorChoice;
  readonly uid: number;
  /** Frozen machines are pruned, least recently used first, when they take more than this */
  readonly templateBudgetBytes: number;
  /** Seed images likewise */
  readonly seedBudgetBytes: number;
  /** How many workspaces may run at once */
  readonly maxActiveWorkspaces: number;
}

/** Told while an operation does what a first use needs. */
export type EngineProgress =
  | EnvironmentProgress
  | {
      readonly phase: "prove-kvm" | "build-template" | "wait-template";
      readonly environment: string;
      readonly detail?: string;
    };

export interface EngineCallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}
