/**
 * Bundles the executable and the library into dist/, so that one file is read at start instead of
 * hundreds.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build } from "esbuild";

const outdir = "dist";

const common = {
  outdir,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  // Bundling renames a class whose name another module has too, which stack traces must not show.
  keepNames: true,
  // Commander is CommonJS and calls require(), which an ES module does not have.
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
  logLevel: "warning",
  // Names stay, so that stack traces can be read; the rest is parsed at every start.
  minifySyntax: true,
  minifyWhitespace: true,
  // Node prints the line that an error comes from.
  lineLimit: 160,
  write: false,
} as const;

const programs = {
  cli: "src/cli/main.ts",
  serve: "src/serve.ts",
  supervisor: "src/workspaces/control/main.ts",
};
const builds = await Promise.all([
  build({ ...common, entryPoints: programs }),
  // The library loads its MCP server later, if at all, from a file beside it.
  build({ ...common, entryPoints: { index: "src/index.ts" }, splitting: true, chunkNames: "library-[hash]" }),
]).catch(() => process.exit(1)); // esbuild has said why
// An entry comes after what it loads.
const outputFiles = builds.flatMap((built) => built.outputFiles.toReversed());

// Every file appears by rename. A process that starts meanwhile gets the old
// build or the new one, never a mixture.
await mkdir(outdir, { recursive: true });
for (const { path, contents } of outputFiles) {
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, contents);
  await rename(unfinished, path);
}

const built = new Set(outputFiles.map(({ path }) => basename(path)));
for (const name of await readdir(outdir)) {
  if (built.has(name) || isOfRunningBuild(name)) continue;
  await rm(join(outdir, name), { recursive: true, force: true });
}

function isOfRunningBuild(name: string): boolean {
  const pid = /\.js\.(\d+)$/.exec(name)?.[1];
  return pid !== undefined && existsSync(`/proc/${pid}`);
}
