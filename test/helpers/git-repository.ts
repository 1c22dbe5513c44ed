import { mkdirSync } from "node:fs";
import { onHost } from "./host-tree.ts";

// What a user has set up for git has no place in tests; programs that we start inherit this.
process.env["GIT_CONFIG_GLOBAL"] = "/dev/null";
process.env["GIT_CONFIG_NOSYSTEM"] = "1";

const identity = ["AUTHOR", "COMMITTER"].map(
  (role) => `export GIT_${role}_NAME=tester GIT_${role}_EMAIL=t@example.com`,
);

/** Runs a script of the shell with git in a folder; what it prints. */
export function gitScript(dir: string, script: string, ...args: readonly string[]): string {
  // Submodules come from folders beside
  const allow = "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always";
  return onHost(dir, [...identity, allow, script].join("\n"), ...args);
}

/** Makes a repository at `dir`, on branch `main`, and runs a script in it. */
export function makeRepository(dir: string, script: string, ...args: readonly string[]): string {
  mkdirSync(dir, { recursive: true });
  return gitScript(dir, `git init -q -b main .\n${script}`, ...args);
}
