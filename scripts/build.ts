/** Bundles the executable and the library into dist/, so that one file is read at start instead of hundreds. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: { cli: "src/cli/main.ts", index: "src/index.ts" },
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  // Bundling renames a class whose name another module has too; stack traces shall not show that.
  keepNames: true,
  // Commander is CommonJS and calls require(), which an ES module does not have.
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
  logLevel: "warning",
  // Names stay, so that stack traces can be read; the rest is parsed at every start.
  minifySyntax: true,
  minifyWhitespace: true,
  write: false,
}).catch(() => process.exit(1)); // esbuild has said why

// Replaced only now: a build that fails leaves the last good one.
await rm("dist", { recursive: true, force: true });
for (const { path, contents } of outputFiles) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}
