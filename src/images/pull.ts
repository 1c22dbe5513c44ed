import { PyroError } from "../core/errors.ts";
import { catalogEntry } from "./catalog.ts";
import { debianBuilder } from "./debian/build.ts";
import { type BuildHost, requireHostTools } from "./debian/host-tools.ts";
import { type EnvironmentProgress, installEnvironment, type PullOptions } from "./install.ts";
import type { BootableEnvironment } from "./store.ts";
import type { EnvironmentStore } from "./store-layout.ts";

export type { EnvironmentProgress, PullOptions };

export interface EnvironmentContext extends BuildHost {
  readonly layout: EnvironmentStore;
  /** Debian mirror; default: mmdebstrap's own */
  readonly mirror: string | undefined;
}

/**
 * Installs an environment of the catalog, unless its current version is installed and undamaged.
 */
export async function pullEnvironment(
  context: EnvironmentContext,
  name: string,
  options: PullOptions = {},
): Promise<BootableEnvironment> {
  return installEnvironment(
    { store: context.layout, entry: catalogEntry(name), builder: debianBuilder(context) },
    options,
  );
}

/** Checks whether this host can build environments, without building one. */
export async function environmentBuildIssues(
  context: EnvironmentContext,
): Promise<{ readonly message: string; readonly hint: string | null }[]> {
  try {
    await requireHostTools(context);
    return [];
  } catch (error) {
    const { message, hint } = PyroError.from(error);
    return [{ message, hint: hint ?? null }];
  }
}
