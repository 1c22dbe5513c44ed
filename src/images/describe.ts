import { type CatalogEntry, catalog, catalogEntry } from "./catalog.ts";
import type { EnvironmentRecord } from "./record.ts";
import { type BootableEnvironment, bootable, examine } from "./store.ts";
import { type EnvironmentStore, installDir, readEnvironment, slugOf, storedSlugs } from "./store-layout.ts";

/** An environment of the catalog, or one that an older catalog left in the store. */
export interface EnvironmentDescription {
  readonly name: string;
  readonly state: "not-installed" | "installed" | "outdated" | "damaged" | "obsolete";
  /** Why it is damaged */
  readonly problem: string | null;
  /** Its entry; `null` if the catalog no longer lists it */
  readonly entry: CatalogEntry | null;
  readonly installDir: string;
  readonly record: EnvironmentRecord | null;
  readonly files: BootableEnvironment | null;
}

/** The catalog's environments in its order, then others in the store. */
export async function listEnvironments(store: EnvironmentStore): Promise<EnvironmentDescription[]> {
  const listed = await Promise.all(catalog.map((entry) => describe(store, entry)));
  const known = new Set(catalog.map((entry) => slugOf(entry.name)));
  const others = (await storedSlugs(store)).filter((slug) => !known.has(slug));
  return [...listed, ...(await Promise.all(others.map((slug) => describeObsolete(store, slug))))];
}

export async function inspectEnvironment(store: EnvironmentStore, name: string): Promise<EnvironmentDescription> {
  return describe(store, catalogEntry(name));
}

async function describe(store: EnvironmentStore, entry: CatalogEntry): Promise<EnvironmentDescription> {
  const installation = await examine(store, entry);
  const record = "record" in installation ? installation.record : null;
  return {
    name: entry.name,
    state: installation.state,
    problem: installation.state === "damaged" ? installation.reason : null,
    entry,
    installDir: installDir(store, slugOf(entry.name)),
    record,
    files: record && bootable(store, record),
  };
}

async function describeObsolete(store: EnvironmentStore, slug: string): Promise<EnvironmentDescription> {
  const read = await readEnvironment(store, slug);
  const record = read.status === "ok" ? read.record : null;
  return {
    name: record?.name ?? slug,
    state: "obsolete",
    problem: read.status === "unreadable" ? read.reason : null,
    entry: null,
    installDir: installDir(store, slug),
    record,
    files: record && bootable(store, record),
  };
}
