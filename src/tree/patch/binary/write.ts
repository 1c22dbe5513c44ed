import { createHash } from "node:crypto";
import { constants, deflateSync } from "node:zlib";
import { encodeBase85 } from "./base85.ts";

const bytesPerLine = 52;

/** Git's id of a file's content, as long as git's other ids are in its repository. */
export function blobId(content: Buffer, algorithm: "sha1" | "sha256" = "sha1"): string {
  return createHash(algorithm).update(`blob ${content.length}\0`).update(content).digest("hex");
}

/** A binary change in git's form: the new bytes, then the old ones to revert it. */
export function binaryPatch(oldContent: Buffer, newContent: Buffer): string {
  return `GIT binary patch\n${literal(newContent)}\n${literal(oldContent)}\n`;
}

function literal(content: Buffer): string {
  const packed = deflateSync(content, { level: constants.Z_BEST_SPEED });
  const lines: string[] = [];
  for (let start = 0; start < packed.length; start += bytesPerLine) {
    const line = packed.subarray(start, start + bytesPerLine);
    lines.push(`${lengthLetter(line.length)}${encodeBase85(line)}\n`);
  }
  return `literal ${content.length}\n${lines.join("")}`;
}

function lengthLetter(length: number): string {
  return String.fromCharCode(length <= 26 ? 0x40 + length : 0x60 + length - 26);
}
