import { createHash } from "node:crypto";
import { constants, deflateSync } from "node:zlib";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const bytesPerLine = 52;

/** Git's id of a file's content. */
export function blobId(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
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
    lines.push(`${lengthLetter(line.length)}${base85(line)}\n`);
  }
  return `literal ${content.length}\n${lines.join("")}`;
}

function lengthLetter(length: number): string {
  return String.fromCharCode(length <= 26 ? 0x40 + length : 0x60 + length - 26);
}

/** Encodes four bytes as five characters and pads the last group with zeros. */
function base85(bytes: Buffer): string {
  const padded = Buffer.concat([bytes], Math.ceil(bytes.length / 4) * 4);
  let text = "";
  for (let start = 0; start < padded.length; start += 4) {
    let value = padded.readUInt32BE(start);
    let group = "";
    for (let digit = 0; digit < 5; digit++) {
      group = alphabet.charAt(value % 85) + group;
      value = Math.floor(value / 85);
    }
    text += group;
  }
  return text;
}
