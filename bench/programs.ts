import { spawn } from "node:child_process";
import { once } from "node:events";
import { timeMs } from "./statistics.ts";

/** What a user would reach for instead, on the same machine. */
export const alternatives: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "bwrap … true": [
    "bwrap",
    "--ro-bind",
    "/",
    "/",
    "--unshare-all",
    "--die-with-parent",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "true",
  ],
  "runsc --network=none do true": ["runsc", "--network=none", "do", "true"],
};

export async function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return timeMs(async () => {
    const child = spawn(program, args, { env, stdio: "ignore" });
    const [exitCode] = (await once(child, "exit")) as [number | null];
    if (exitCode !== 0) throw new Error(`'${program} ${args.join(" ")}' exited with ${exitCode}`);
  });
}

export async function works(command: readonly [string, ...string[]]): Promise<boolean> {
  return runProgram(command, process.env).then(
    () => true,
    () => false,
  );
}
