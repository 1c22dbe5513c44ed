import { open } from "node:fs/promises";
import { isTarHeader, tarBlockBytes } from "./tar-header.ts";

export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2";

export type ArchiveFormat = { readonly kind: "tar"; readonly compression: Compression } | { readonly kind: "zip" };

/** The names that users see, in the order of their hints. */
export const archiveNames = ".tar, .tar.gz, .tgz, .tar.zst, .tar.xz, .tar.bz2 or .zip";

/** First bytes in hexadecimal */
const beginnings: readonly (readonly [pattern: RegExp, format: ArchiveFormat])[] = [
  [/^1f8b/, { kind: "tar", compression: "gzip" }],
  // The second is a skippable frame, which can come first.
  [/^(?:28b52ffd|5[0-9a-f]2a4d18)/, { kind: "tar", compression: "zstd" }],
  [/^fd377a585a00/, { kind: "tar", compression: "xz" }],
  // The second is the end of a stream, with which an empty one begins.
  [/^425a683[1-9](?:314159265359|177245385090)/, { kind: "tar", compression: "bzip2" }],
  // The second is the end of a directory, with which an empty archive begins.
  [/^504b(?:0304|0506)/, { kind: "zip" }],
];

/**
 * The format of an archive by its first bytes, whatever its name; undefined for any other file. A
 * tar archive can begin with a name that looks like another format, but not with its checksum.
 */
export async function archiveFormat(path: string): Promise<ArchiveFormat | undefined> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(tarBlockBytes), 0, tarBlockBytes, 0);
  if (bytesRead === tarBlockBytes && isTarHeader(buffer)) return { kind: "tar", compression: "none" };
  const beginning = buffer.toString("hex", 0, Math.min(bytesRead, 16));
  return beginnings.find(([pattern]) => pattern.test(beginning))?.[1];
}
