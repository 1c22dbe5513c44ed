import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const packageDir = fileURLToPath(new URL("../..", import.meta.url));

/** Tests of the command line use what users use: the built executable. */
export default function setup(): void {
  const { status, signal, error } = spawnSync("npm", ["run", "--silent", "build"], {
    cwd: packageDir,
    stdio: "inherit",
  });
  if (status !== 0) throw error ?? new Error(`the build ended with ${signal ?? status}`);
}
