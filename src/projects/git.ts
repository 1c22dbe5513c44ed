import { PyroError } from "../core/errors.ts";
import { type CapturedRun, capture, type Ending, killedAsGroup } from "../host/process.ts";
import { readOutput } from "../host/program-output.ts";

/**
 * Variables that point git to another repository than the one named. A hook or an alias of git that
 * starts pyro sets them (`git rev-parse --local-env-vars` lists most). Configuration that the user
 * puts into the environment (GIT_CONFIG_COUNT) stays, as their files do.
 */
const foreignVariables = [
  ...["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_PREFIX"],
  ...["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH", "GIT_SHALLOW_FILE"],
  ...["GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_NAMESPACE", "GIT_ATTR_SOURCE"],
  ...["GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_INTERNAL_SUPER_PREFIX", "GIT_REFLOG_ACTION", "GIT_TEMPLATE_DIR"],
  ...["GIT_DEFAULT_HASH", "GIT_DEFAULT_REF_FORMAT"],
  // They write to standard error, which pyro reads for reasons.
  ...["GIT_TRACE", "GIT_TRACE_SETUP", "GIT_TRACE_PACKET", "GIT_TRACE_CURL", "GIT_TRACE2", "GIT_CURL_VERBOSE"],
];

/**
 * Keeps git from asking questions. ssh needs no BatchMode for that, which would replace the user's
 * own GIT_SSH_COMMAND: git has no terminal here.
 */
const variables = [
  ...["LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS_REQUIRE=never"],
  ...["GCM_INTERACTIVE=never", "GIT_LFS_SKIP_SMUDGE=1", "GIT_NO_LAZY_FETCH=1"],
];

/**
 * Overrides the repository's configuration, which may be hostile. Even `ls-files` runs the program
 * in `core.fsmonitor`.
 */
const settings = ["core.fsmonitor=false", "core.hooksPath=/dev/null", "credential.interactive=false"];

/** The transports left out here (`ext`) can run any command. */
const remoteProtocols = "file:git:http:https:ssh";

export interface GitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface AskOptions extends GitOptions {
  /** Standard input of git */
  readonly input?: Buffer | undefined;
}

export interface GitOutput extends Ending {
  /** Paths are bytes */
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Asks git about a repository on this host. It contacts no other host, not even for objects that a
 * partial clone lacks.
 */
export async function askGit(args: readonly string[], options: AskOptions): Promise<GitOutput> {
  const pieces: Buffer[] = [];
  const onOutput = (piece: Buffer) => pieces.push(piece);
  const ending = await readOutput(gitCommand(args, "none"), { ...options, onOutput });
  return requireGit({ ...ending, stdout: Buffer.concat(pieces) });
}

/**
 * Lets git contact other hosts and write. Its files have the usual modes, and all its processes end
 * with it and with this process.
 */
export async function runGit(args: readonly string[], options: GitOptions): Promise<CapturedRun> {
  const command = ["/bin/sh", "-c", 'umask 022; exec "$@"', "sh", ...gitCommand(args, remoteProtocols)];
  return requireGit(await capture(killedAsGroup(command), options));
}

/** The reason that git gives, in one line. */
export function gitReason({ stderr, exitCode }: { readonly stderr: string; readonly exitCode: number | null }): string {
  const lines = stderr.trim().split("\n");
  const line = lines.find((text) => /^(?:fatal|error|ssh): /.test(text)) ?? lines.at(-1);
  return line?.replace(/^(?:fatal|error): |:$/g, "") || `git ended with exit code ${exitCode}`;
}

function gitCommand(args: readonly string[], protocols: string): [string, ...string[]] {
  const without = foreignVariables.flatMap((name) => ["-u", name]);
  const configured = settings.flatMap((setting) => ["-c", setting]);
  return ["env", ...without, ...variables, `GIT_ALLOW_PROTOCOL=${protocols}`, "git", ...configured, ...args];
}

function requireGit<T extends { readonly exitCode: number | null; readonly stderr: string }>(outcome: T): T {
  if (outcome.exitCode !== 127 || !/^env: /m.test(outcome.stderr)) return outcome;
  throw new PyroError("unavailable", "cannot run git: it was not found", { hint: "Install the package git." });
}
