/**
 * Takes what a program asks its terminal out of its output. The shell's own terminal has answered,
 * and the one of a person who watches must not answer again.
 */
export class QueryFilter {
  #held = "";

  /** The output without questions. The start of what may become one is held back. */
  pass(bytes: Buffer): Buffer {
    const text = (this.#held + bytes.toString("latin1")).replaceAll(query, "");
    const start = text.search(unfinished);
    this.#held = start === -1 ? "" : text.slice(start);
    return Buffer.from(start === -1 ? text : text.slice(0, start), "latin1");
  }
}

/**
 * Sequences that a terminal answers, as XTerm Control Sequences (ctlseqs) lists them: the state of
 * the device, its attributes, the cursor, modes, settings, colours, and keyboard protocols.
 */
const query = new RegExp(
  [
    String.raw`\x1b\[[?>=]?[0-9;]*[cn]`,
    String.raw`\x1b\[>[0-9;]*q`,
    String.raw`\x1b\[\??[0-9;]*\$p`,
    String.raw`\x1b\[\?u`,
    String.raw`\x1b\[(?:1[4-9]|2[01])t`,
    String.raw`\x1b\](?:4;[0-9]+|1[0-9]|5[02]);\?(?:\x07|\x1b\\)`,
    String.raw`\x1bP(?:\$q|\+q)[^\x1b]{0,64}\x1b\\`,
    String.raw`\x1bZ`,
    String.raw`\x05`,
  ].join("|"),
  "g",
);

/** An escape sequence at the end that has not ended, if it is short enough to be a question */
const unfinished = new RegExp(
  `\x1b(?:${[String.raw`\[[?>=]?[0-9;$]{0,32}`, String.raw`\][0-9;?]{0,32}\x1b?`, String.raw`P[^\x1b]{0,70}\x1b?`].join("|")})?$`,
);
