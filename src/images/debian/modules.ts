import { basename } from "node:path";
import { PyroError } from "../../core/errors.ts";

/** The text of depmod's two index files of a kernel's modules. */
export interface ModuleIndex {
  /** `modules.dep` */
  readonly dependencies: string;
  /** `modules.builtin` */
  readonly builtin: string;
}

/**
 * Paths, relative to the kernel's module folder, of the modules that `wanted` needs, each after its
 * dependencies. A module that is built into the kernel has no file and is left out.
 */
export function loadOrder(wanted: readonly string[], index: ModuleIndex): string[] {
  const dependencies = parseDependencies(index.dependencies);
  const pathOf = new Map([...dependencies.keys()].map((path) => [moduleName(path), path]));
  const builtin = new Set(linesOf(index.builtin).map(moduleName));
  const order = new Set<string>();
  const visit = (path: string, dependents: readonly string[]) => {
    if (order.has(path) || dependents.includes(path)) return;
    for (const needed of dependencies.get(path) ?? []) visit(needed, [...dependents, path]);
    refuseCompressed(path);
    order.add(path);
  };
  for (const name of wanted) {
    const path = pathOf.get(moduleName(name));
    if (path) visit(path, []);
    else if (!builtin.has(moduleName(name))) {
      throw new PyroError("unsupported", `cannot use this kernel: it has no module '${name}'`);
    }
  }
  return [...order];
}

function parseDependencies(text: string): Map<string, string[]> {
  const dependencies = new Map<string, string[]>();
  for (const line of linesOf(text)) {
    const [path = "", needed = ""] = line.split(":", 2);
    dependencies.set(path, needed.split(" ").filter(Boolean));
  }
  return dependencies;
}

/** The kernel treats `-` and `_` in a module's name alike. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");
}

function refuseCompressed(path: string): void {
  if (path.endsWith(".ko")) return;
  throw new PyroError("unsupported", `cannot use this kernel: its module '${path}' is compressed`, {
    hint: "Use a Debian 12 environment.",
  });
}

function linesOf(text: string): string[] {
  return text.split("\n").filter(Boolean);
}
