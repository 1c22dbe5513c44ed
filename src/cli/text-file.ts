import { isUtf8 } from "node:buffer";
import { PyroError } from "../core/errors.ts";
import { hint, named } from "../core/hint.ts";
import { type ContentOptions, readNamed, readStream } from "../host/named/content.ts";
import type { FileFlag } from "../operations/operation.ts";

export type TextOptions = Pick<ContentOptions, "signal" | "waits">;

/**
 * A missing file is a mistake in the command line, not something that an operation has not found.
 */
function asUsageError(error: unknown): never {
  if (!(error instanceof PyroError) || error.code !== "not_found") throw error;
  throw new PyroError("invalid_argument", error.message, { hint: error.advice, cause: error });
}

/** The text of a file that a flag names, or of standard input for `-`. */
export async function readTextFile(
  { flag, maxBytes }: Pick<FileFlag, "flag" | "maxBytes">,
  path: string,
  options: TextOptions = {},
): Promise<string> {
  const action = `--${flag}: cannot read`;
  const push = hint`Put it into a directory and use ${named("workspace.sync.push")}.`;
  const limits = { ...options, action, hint: "Give a text file, or - for standard input.", maxBytes, largerHint: push };
  const bytes = await (path === "-" ? readStream(process.stdin, limits) : readNamed(path, limits)).catch(asUsageError);
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw new PyroError("invalid_argument", `--${flag}: '${path}' is not UTF-8 text`, { hint: push });
}
