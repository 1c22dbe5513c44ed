/** Git's form of base 85, in which binary patches are written. */

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const digits = new Map([...alphabet].map((character, digit) => [character, digit]));

/** Encodes four bytes as five characters and pads the last group with zeros. */
export function encodeBase85(bytes: Buffer): string {
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

/** Decodes groups of five characters; null if one is no such group. */
export function decodeBase85(text: string): Buffer | null {
  const bytes = Buffer.alloc((text.length / 5) * 4);
  for (let group = 0; group < text.length / 5; group++) {
    let value = 0;
    for (const character of text.slice(group * 5, group * 5 + 5)) {
      value = value * 85 + (digits.get(character) ?? Number.NaN);
    }
    if (!(value <= 0xffffffff)) return null;
    bytes.writeUInt32BE(value, group * 4);
  }
  return bytes;
}
