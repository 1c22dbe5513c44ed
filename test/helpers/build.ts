import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const packageDir = fileURLToPath(new URL("../..", import.meta.url));

let isBuilt = false;

/**
 * Builds the executables and the guest agent, which tests run as users do. It does so once for all
 * projects of a run, and not at all with PYRO_TESTS_BUILD=0, which `make` sets after its own build.
 */
export function buildOnce(): void {
  if (isBuilt || process.env["PYRO_TESTS_BUILD"] === "0") return;
  runOrThrow("npm", ["run", "--silent", "build"]);
  runOrThrow("scripts/build-agent.sh");
  isBuilt = true;
}

/** Runs a program in the package's folder, with its output shown. */
export function runOrThrow(
  program: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): void {
  const options = { cwd: packageDir, stdio: "inherit", env: { ...process.env, ...env } } as const;
  const { status, signal, error } = spawnSync(program, args, options);
  if (status !== 0) throw error ?? new Error(`'${[program, ...args].join(" ")}' ended with ${signal ?? status}`);
}
