import { isAbsolute } from "node:path";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { readOutput } from "../../host/program-output.ts";
import { FindParser, type FoundFile, findErrors, findExpression } from "./find.ts";
import {
  findLimits,
  notScanned,
  requireDirectory,
  requireEntryCount,
  type ScanOptions,
  type TreeScan,
  toScan,
} from "./tree-scan.ts";

/**
 * Lists a folder. It enters mounted file systems, skips unreadable entries and keeps symbolic
 * links. It uses `find`, because Node takes ten times as long. `find` is looked up in this
 * process's own PATH.
 */
export async function scanDirectory(dir: string, options: ScanOptions = {}): Promise<TreeScan> {
  await requireDirectory(dir);
  const root = isAbsolute(dir) ? dir : `./${dir}`;
  const found: FoundFile[] = [];
  const parser = new FindParser((file) => requireEntryCount(dir, found.push(file), options.limits));
  const command = ["env", "LC_ALL=C", "find", "-H", root, ...findExpression("%P")] as const;
  const reading = { ...findLimits, signal: options.signal, onOutput: (piece: Buffer) => parser.add(piece) };
  const { exitCode, stderr } = await readOutput(command, reading).catch((error: unknown) => {
    throw notScanned(dir, error);
  });
  const failures = findErrors(stderr);
  if (exitCode !== 0 && failures === undefined) {
    const reason = stderr.trim().split("\n").at(-1) || `find ended with exit code ${exitCode}`;
    throw new PyroError("internal", `cannot read directory '${dir}': ${reason}`, { details: { exitCode } });
  }
  throwIfCancelled(options.signal);
  return toScan({ dir, root, found, failures: failures ?? [], folderTimes: "own" }, options.limits);
}
