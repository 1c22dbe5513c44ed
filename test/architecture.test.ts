import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, test } from "vitest";

/**
 * What each part of src may import from the others: a folder, one file of it, or either for its types only.
 * A part that is not listed here must be added before it can import anything.
 */
const allowedImports: Readonly<Record<string, readonly string[]>> = {
  core: [],
  host: ["core/"],
  guest: ["core/"],
  vm: ["core/", "host/"],
  images: ["core/", "host/"],
  tree: ["core/", "host/"],
  seeds: ["core/", "host/", "tree/"],
  projects: ["core/", "host/"],
  machines: ["core/", "host/", "guest/", "vm/", "images/"],
  workspaces: ["core/", "host/", "guest/", "images/", "machines/", "tree/", "seeds/", "projects/"],
  supervisor: ["core/", "host/", "guest/", "type vm/", "machines/", "workspaces/"],
  operations: [
    "core/",
    "host/system.ts",
    "images/",
    "machines/",
    "seeds/",
    "workspaces/",
    "type projects/",
    "type guest/",
  ],
  sdk: ["core/", "operations/", "compose.ts"],
  cli: ["core/", "operations/", "type projects/", "compose.ts"],
  mcp: ["core/", "projects/", "operations/", "compose.ts"],
  "serve.ts": ["cli/", "mcp/"],
  "compose.ts": ["core/", "host/", "machines/"],
  "index.ts": ["core/", "sdk/", "type operations/"],
};

/** What only some parts may say. */
const restricted: readonly { what: string; pattern: RegExp; allowedIn: readonly string[] }[] = [
  { what: "process.env and process.cwd", pattern: /\bprocess\.(?:env|cwd)\b|from "node:process"/, allowedIn: ["sdk"] },
  { what: "console", pattern: /\bconsole\.\w/, allowedIn: ["cli"] },
  { what: "process.exit", pattern: /\bprocess\.exit\(/, allowedIn: ["cli", "supervisor"] },
];

const maxLines = 400;

const sourceDir = new URL("../src", import.meta.url).pathname;

interface SourceFile {
  /** From src: `vm/qemu/args.ts` */
  readonly path: string;
  /** Its folder in src, or its name: `vmm`, `compose.ts` */
  readonly part: string;
  readonly text: string;
}

const files: readonly SourceFile[] = readdirSync(sourceDir, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, part: partOf(path), text: readFileSync(join(sourceDir, path), "utf8") }));

test("parts of src import only what is below them", () => {
  // A check that sees no imports would pass whatever they are.
  expect(files.flatMap(importsOf).length).toBeGreaterThan(files.length);
  const violations = files.flatMap((file) =>
    importsOf(file)
      .filter(({ target }) => partOf(target) !== file.part)
      .filter(({ target, typesOnly }) => !isAllowed(file.part, target, typesOnly))
      .map(({ target, typesOnly }) => `${file.path} imports ${typesOnly ? "types of " : ""}${target}`),
  );
  expect(violations).toEqual([]);
});

test.each(restricted)("$what: only where it belongs", ({ pattern, allowedIn }) => {
  const offenders = files.filter(({ part, text }) => !allowedIn.includes(part) && pattern.test(text));
  expect(offenders.map(({ path }) => path)).toEqual([]);
});

test(`no file of src has more than ${maxLines} lines`, () => {
  const lengths = files.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  expect(lengths.filter(({ lines }) => lines > maxLines)).toEqual([]);
});

function partOf(path: string): string {
  return path.split("/")[0] ?? path;
}

/** Our own files that a file imports, re-exports or loads later. */
function importsOf({ path, text }: SourceFile): readonly { target: string; typesOnly: boolean }[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[\w*{}\s,]+?\s+from\s+)?"(\.[^"]+)"/gm);
  const calls = text.matchAll(/\bimport\(()"(\.[^"]+)"\)/g);
  return [...statements, ...calls].map(([, type, specifier]) => ({
    target: posix.join(posix.dirname(path), specifier ?? ""),
    typesOnly: Boolean(type),
  }));
}

function isAllowed(part: string, target: string, typesOnly: boolean): boolean {
  return (allowedImports[part] ?? []).some((entry) => {
    if (entry.startsWith("type ")) return typesOnly && target.startsWith(entry.slice("type ".length));
    return target.startsWith(entry);
  });
}
