import { layoutFromEnvironment } from "../../src/host/layout.ts";
import type { EngineContext } from "../../src/machines/context.ts";

/** An engine whose folders are all in `dir`. */
export function engineContext(dir: string, change: Partial<EngineContext> = {}): EngineContext {
  return {
    layout: layoutFromEnvironment({ PYRO_CACHE_DIR: dir, PYRO_STATE_DIR: dir }),
    searchPath: "/usr/bin:/bin",
    mirror: undefined,
    acceleratorChoice: "auto",
    uid: process.getuid?.() ?? 0,
    templateBudgetBytes: 2 ** 32,
    seedBudgetBytes: 2 ** 32,
    certificateFiles: [],
    trustsHostCertificates: false,
    hostProxies: {},
    variables: {},
    maxActiveWorkspaces: 8,
    ...change,
  };
}
