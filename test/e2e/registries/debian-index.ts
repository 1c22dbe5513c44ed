import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Shelf } from "./shelf.ts";

/** A package that says hello, and one that it depends on */
const packages: readonly (readonly [name: string, depends: string, script: string])[] = [
  ["hello-word", "", "#!/bin/sh\necho hello\n"],
  ["hello-speaker", "Depends: hello-word (>= 1.0)\n", '#!/bin/sh\necho "$(hello-word) from the archive"\n'],
];

/** A flat archive of Debian packages under `/debian`, which are built in `dir`. */
export async function addDebianIndex(shelf: Shelf, dir: string): Promise<void> {
  const entries: string[] = [];
  for (const [name, depends, script] of packages) {
    const root = join(dir, name);
    await mkdir(join(root, "DEBIAN"), { recursive: true });
    await mkdir(join(root, "usr/bin"), { recursive: true });
    const control = `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.com>\n${depends}Description: for a test\n`;
    await writeFile(join(root, "DEBIAN/control"), control);
    await writeFile(join(root, "usr/bin", name), script, { mode: 0o755 });
    execFileSync("dpkg-deb", ["--build", "--root-owner-group", root, `${root}.deb`], { stdio: "pipe" });
    const archive = await readFile(`${root}.deb`);
    const digest = createHash("sha256").update(archive).digest("hex");
    shelf.set(`/debian/${name}.deb`, archive);
    entries.push(`${control}Filename: ./${name}.deb\nSize: ${archive.length}\nSHA256: ${digest}\n`);
  }
  shelf.set("/debian/Packages", entries.join("\n"));
}
