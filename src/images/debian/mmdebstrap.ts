import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { capture, killedAsGroup } from "../../host/process.ts";
import type { BuildRequest } from "../builder.ts";
import type { CatalogEntry } from "../catalog.ts";
import { bootstrapError, mirrorError } from "./bootstrap-error.ts";
import { type BuildHost, hostCommand, isolationPrefix, isSuperuser } from "./host-tools.ts";
import { watchMirror } from "./mirror-watch.ts";
import { customizeScript } from "./scripts.ts";

/** Enough for the largest environment over a slow line. apt gives up a silent mirror long before */
const bootstrapTimeoutMs = 60 * 60_000;

const aptUpdateStep = "running apt-get update";

const aptOptions = [
  'Acquire::http::Timeout "10"',
  'Acquire::https::Timeout "10"',
  'Acquire::Retries "1"',
  'Acquire::Languages "none"',
];

/** Agents do not read manuals. Licences stay */
const dpkgOptions = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
];

export interface BootstrapRequest extends Pick<BuildRequest, "entry" | "onPhase" | "signal"> {
  readonly host: BuildHost;
  readonly scratchDir: string;
  readonly mirror: string | undefined;
}

/**
 * Unpacks the packages of an environment, with its kernel beside them, into a new folder and
 * returns it.
 */
export async function bootstrap(request: BootstrapRequest): Promise<string> {
  const { entry, host, scratchDir, mirror, signal, onPhase } = request;
  const rootDir = join(scratchDir, "root");
  await writeFile(join(scratchDir, "customize.sh"), customizeScript, { mode: 0o644 });
  onPhase("packages");
  const mmdebstrap = ["mmdebstrap", ...mmdebstrapArguments(host, entry), entry.suite, rootDir];
  if (mirror !== undefined) mmdebstrap.push(mirror);
  const isolated = [`TMPDIR=${scratchDir}`, ...(await isolationPrefix(host, signal)), ...mmdebstrap];
  const command = killedAsGroup(hostCommand(host, isolated));
  const watch = watchMirror(rootDir, signal);
  try {
    const { exitCode, stderr } = await capture(command, {
      timeoutMs: bootstrapTimeoutMs,
      signal: watch.signal,
      cwd: scratchDir,
      onStderrLine: stepReporter((phase, step) => {
        if (step === aptUpdateStep) watch.start();
        onPhase(phase, step);
      }),
    });
    if (exitCode !== 0) throw bootstrapError(entry.name, stderr);
    return rootDir;
  } catch (error) {
    throw watch.isMirrorSilent() ? mirrorError(entry.name, "it did not answer") : error;
  } finally {
    watch.stop();
  }
}

/** Reports progress from mmdebstrap's own lines: `I: extracting archives...`. */
function stepReporter(onStep: (phase: "packages" | "kernel", step?: string) => void): (line: string) => void {
  let isUnpacked = false;
  return (line) => {
    if (line.startsWith("I: running --customize-hook")) {
      isUnpacked = true;
      onStep("kernel");
      return;
    }
    const step = /^I: (.+?)\.\.\.$/.exec(line)?.[1];
    if (step && !isUnpacked) onStep("packages", step);
  };
}

function mmdebstrapArguments(host: BuildHost, entry: CatalogEntry): string[] {
  return [
    `--mode=${isSuperuser(host) ? "root" : "unshare"}`,
    "--variant=minbase",
    `--architectures=${entry.architecture}`,
    `--include=${entry.packages.join(",")}`,
    "--format=directory",
    ...aptOptions.map((option) => `--aptopt=${option}`),
    ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
    `--customize-hook=cp "$1/../customize.sh" "$1/tmp/" && chroot "$1" /bin/sh /tmp/customize.sh ${entry.kernelPackage}`,
  ];
}
