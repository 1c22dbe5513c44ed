/**
 * The characters that some bytes alone decide in a longer text's base64, at their three places in
 * groups of three bytes. Those at both ends also depend on what stands around them.
 */
export function base64Cores(bytes: Buffer): readonly string[] {
  return [0, 1, 2].map((before) => {
    const bits = (before + bytes.length) * 8;
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(bits / 6));
  });
}
