import type { Layout } from "../host/layout.ts";
import type { EnvironmentProgress } from "../images/pull.ts";
import type { HostProxies } from "../network/proxy.ts";
import type { AcceleratorChoice } from "./accelerator.ts";

/** The host as the engine sees it. `compose.ts` makes it once. */
export interface EngineContext {
  readonly layout: Layout;
  /** Folders of host programs, in the form of PATH */
  readonly searchPath: string;
  /** Debian mirror for building environments; default: mmdebstrap's own */
  readonly mirror: string | undefined;
  readonly acceleratorChoice: AcceleratorChoice;
  readonly uid: number;
  /** Limit for all templates, in bytes; beyond it the least recently used ones are pruned */
  readonly templateBudgetBytes: number;
  /** The same limit for seed images */
  readonly seedBudgetBytes: number;
  /** Files with certificate authorities that variables name */
  readonly certificateFiles: readonly string[];
  /** Whether guests trust the host's authorities unless a caller says otherwise */
  readonly trustsHostCertificates: boolean;
  /** The host's way out */
  readonly hostProxies: HostProxies;
  /** Variables of the caller's process, for secrets that come from one; a supervisor has none */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Number of workspaces that may run at once */
  readonly maxActiveWorkspaces: number;
}

/** Progress of an operation that prepares a first use. */
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
