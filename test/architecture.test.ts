import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, test } from "vitest";

/**
 * The layers of src, from the lowest, and what each may import beside itself. A folder is its own
 * layer, except that a noun's rows of the operation table and its views stand with `operations`,
 * wherever they are.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  core: [],
  host: ["core"],
  tree: ["core", "host"],
  guest: ["core", "tree"],
  network: ["core"],
  vm: ["core", "host"],
  images: ["core", "host"],
  projects: ["core", "host"],
  seeds: ["core", "host", "tree"],
  machines: ["core", "host", "guest", "vm", "images", "network"],
  workspaces: ["core", "host", "guest", "vm", "images", "network", "tree", "projects", "seeds", "machines"],
  operations: ["core", "host", "guest", "images", "network", "tree", "projects", "seeds", "machines", "workspaces"],
  compose: ["core", "host", "machines"],
  sdk: ["core", "operations", "compose"],
  cli: ["core", "host", "network", "projects", "operations", "compose"],
  mcp: ["core", "network", "projects", "operations", "compose"],
  serve: ["cli", "mcp"],
  library: ["sdk", "mcp"],
  index: ["core", "operations", "sdk", "mcp", "library"],
};

const operationFile = /(?:^|[/-])(?:operations?|view)\.ts$/;
/** Programs, and the files that only the process which owns a workspace may load. */
const supervisorMain = "workspaces/control/main.ts";
const ownerFile = /^workspaces\/(?:[\w-]+\/owner|control\/(?:main|server|session))\.ts$/;
const surfaces = ["index.ts", "cli/main.ts", "serve.ts"];
const callerFile = /^workspaces\/(?:[\w-]+\/caller|control\/(?:client|connection|access|start))\.ts$/;

/** What only some parts may say. */
const restricted: readonly { what: string; pattern: RegExp; allowedIn: readonly string[] }[] = [
  { what: "process.env and process.cwd", pattern: /\bprocess\.(?:env|cwd)\b|from "node:process"/, allowedIn: ["sdk"] },
  { what: "console", pattern: /\bconsole\.\w/, allowedIn: ["cli"] },
  { what: "process.exit", pattern: /\bprocess\.exit\(/, allowedIn: ["cli", supervisorMain] },
];

const maxLines = 400;
const maxFilesInFolder = 14;

const sourceDir = new URL("../src", import.meta.url).pathname;

interface Import {
  /** From src: `vm/qemu/args.ts` */
  readonly target: string;
  readonly typesOnly: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly layer: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const files: ReadonlyMap<string, SourceFile> = new Map(
  readdirSync(sourceDir, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => {
      const text = readFileSync(join(sourceDir, path), "utf8");
      return [path, { path, layer: layerOf(path), text, imports: importsOf(path, text) }];
    }),
);

test("a layer imports only what is below it", () => {
  const all = [...files.values()];
  // A check that sees no imports would pass whatever they are.
  expect(all.flatMap(({ imports }) => imports).length).toBeGreaterThan(files.size);
  const violations = all.flatMap(({ path, layer, imports }) =>
    imports
      .filter(({ target }) => layerOf(target) !== layer && !layers[layer]?.includes(layerOf(target)))
      .map(({ target }) => `${path} (${layer}) imports ${target} (${layerOf(target)})`),
  );
  expect(violations).toEqual([]);
});

test("what an entry of a tree is depends on core alone", () => {
  const targets = [...files.values()]
    .filter(({ path }) => /^tree\/(?:[\w-]+|patch\/.*)\.ts$/.test(path))
    .flatMap(({ imports }) => imports.map(({ target }) => target));
  expect(targets.filter((target) => !/^(?:core|tree)\//.test(target))).toEqual([]);
});

test("no surface loads an owner's side, and no supervisor a caller's", () => {
  const loadedBySurfaces = reachableFrom(surfaces);
  const loadedBySupervisor = reachableFrom([supervisorMain]);
  expect(loadedBySupervisor.filter((path) => ownerFile.test(path)).length).toBeGreaterThan(3);
  expect(loadedBySurfaces.filter((path) => callerFile.test(path)).length).toBeGreaterThan(2);
  expect(loadedBySurfaces.filter((path) => ownerFile.test(path))).toEqual([]);
  expect(loadedBySupervisor.filter((path) => callerFile.test(path) || operationFile.test(path))).toEqual([]);
});

test("only the supervisor's main file lists owners, and only the registry lists operations", () => {
  const importers = (pattern: RegExp) =>
    [...files.values()].filter(({ imports }) => imports.some(({ target }) => pattern.test(target)));
  const ownerLists = importers(/^workspaces\/[\w-]+\/owner\.ts$/).filter(({ path }) => !/\/owner\.ts$/.test(path));
  expect(ownerLists.map(({ path }) => path)).toEqual([supervisorMain]);
});

test("the map in AGENTS.md names every folder of src and of its nouns, and no other", () => {
  const map = readFileSync(new URL("../AGENTS.md", import.meta.url), "utf8");
  const [, tree = ""] = /^src\/\n((?: {2}.*\n)+)/m.exec(map) ?? [];
  let top = "";
  const named = tree.split("\n").flatMap((line) => {
    const [, indent, name] = /^( {2}| {4})([\w-]+)\/ /.exec(line) ?? [];
    if (name === undefined) return [];
    if (indent === "  ") top = name;
    return indent === "  " ? [name] : [`${top}/${name}`];
  });
  const foldersOf = ([first, second, ...rest]: readonly string[]) =>
    first === "workspaces" && rest.length > 0 ? [first, `${first}/${second}`] : [first];
  const nested = [...files.keys()].map((path) => path.split("/")).filter(({ length }) => length > 1);
  const folders = [...new Set(nested.flatMap(foldersOf))];
  expect(named.toSorted()).toEqual(folders.toSorted());
});

test.each(restricted)("$what: only where it belongs", ({ pattern, allowedIn }) => {
  const offenders = [...files.values()].filter(
    ({ path, layer, text }) => !allowedIn.includes(layer) && !allowedIn.includes(path) && pattern.test(text),
  );
  expect(offenders.map(({ path }) => path)).toEqual([]);
});

test(`no file of src has more than ${maxLines} lines`, () => {
  const lengths = [...files.values()].map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  expect(lengths.filter(({ lines }) => lines > maxLines)).toEqual([]);
});

test(`no folder of src has more than ${maxFilesInFolder} files of its own`, () => {
  const counts = new Map<string, string[]>();
  for (const path of files.keys()) {
    const folder = posix.dirname(path);
    counts.set(folder, [...(counts.get(folder) ?? []), path]);
  }
  const crowded = [...counts].filter(([, paths]) => paths.length > maxFilesInFolder);
  expect(crowded.map(([folder, paths]) => `${folder}: ${paths.length}`)).toEqual([]);
});

function layerOf(path: string): string {
  if (operationFile.test(path)) return "operations";
  return (path.split("/")[0] ?? path).replace(/\.ts$/, "");
}

/** Our own files that a file imports, re-exports or loads later. */
function importsOf(path: string, text: string): readonly Import[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[\w*{}\s,]+?\s+from\s+)?"(\.[^"]+)"/gm);
  const calls = text.matchAll(/\bimport\(()"(\.[^"]+)"\)/g);
  return [...statements, ...calls].map(([, type, specifier]) => ({
    target: posix.join(posix.dirname(path), specifier ?? ""),
    typesOnly: Boolean(type),
  }));
}

/** Everything that is loaded with these files; types are not. */
function reachableFrom(paths: readonly string[]): readonly string[] {
  const reached = new Set<string>();
  const waiting = [...paths];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const imports = files.get(path)?.imports ?? [];
    waiting.push(...imports.filter(({ typesOnly }) => !typesOnly).map(({ target }) => target));
  }
  return [...reached];
}
