import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { messageOf, PyroError } from "../core/errors.ts";
import { hint, named } from "../core/hint.ts";

/** The text of a file that a flag names, or of standard input for `-`. */
export async function readTextFile(flag: string, path: string): Promise<string> {
  const bytes = await readBytes(path).catch((error: unknown) => {
    throw new PyroError("invalid_argument", `${flag}: cannot read '${path}': ${messageOf(error)}`, { cause: error });
  });
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw new PyroError("invalid_argument", `${flag}: '${path}' is not UTF-8 text`, {
    hint: hint`Put it into a directory and use ${named("workspace.sync.push")}.`,
  });
}

async function readBytes(path: string): Promise<Buffer> {
  if (path !== "-") return readFile(path);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
