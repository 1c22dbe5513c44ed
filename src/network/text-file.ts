import { readFile } from "node:fs/promises";
import { systemErrorCode } from "../core/errors.ts";

/** The text of a file; empty if it does not exist yet. */
export async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return "";
    throw error;
  });
}
