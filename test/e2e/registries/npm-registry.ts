import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Shelf } from "./shelf.ts";

/** Packages that this project has installed, the first of which depends on the others */
const names = ["cross-spawn", "path-key", "shebang-command", "shebang-regex", "which", "isexe"];

interface Packed {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly integrity: string;
  readonly shasum: string;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A registry of a few packages, packed into `dir`, and the files of a project that wants them. */
export async function addNpmRegistry(
  shelf: Shelf,
  dir: string,
  url: string,
): Promise<Readonly<Record<"package.json" | "package-lock.json", string>>> {
  const folders = names.map((name) => `./node_modules/${name}`);
  const options = ["--json", "--ignore-scripts", "--pack-destination", dir];
  const packed: readonly Packed[] = JSON.parse(
    execFileSync("npm", ["pack", ...options, ...folders], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );
  const locked: Record<string, unknown> = {};
  for (const { name, version, filename, integrity, shasum } of packed) {
    const manifest: Manifest = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
    const tarball = `${url}/${name}/-/${filename}`;
    const versions = { [version]: { ...manifest, dist: { tarball, integrity, shasum } } };
    shelf.set(`/${name}`, JSON.stringify({ name, "dist-tags": { latest: version }, versions }));
    shelf.set(`/${name}/-/${filename}`, await readFile(join(dir, filename)));
    const { dependencies = {} } = manifest;
    locked[`node_modules/${name}`] = { version, resolved: tarball, integrity, dependencies };
  }
  const project = { name: "project", version: "1.0.0", dependencies: { "cross-spawn": "*" } };
  const lock = { ...project, lockfileVersion: 3, packages: { "": project, ...locked } };
  return { "package.json": JSON.stringify(project), "package-lock.json": JSON.stringify(lock) };
}
