import { isUtf8 } from "node:buffer";

/** Whether a patch can show it as lines: UTF-8 without NUL. */
export function isText(content: Buffer): boolean {
  return isUtf8(content) && !content.includes(0);
}

/** The lines of a text, each with its line feed. Only the last one may lack it. */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  let start = 0;
  while (start < text.length) {
    const feed = text.indexOf("\n", start);
    const end = feed === -1 ? text.length : feed + 1;
    lines.push(text.slice(start, end));
    start = end;
  }
  return lines;
}

/** The line that follows one without a line feed at the end of a file. */
export const noNewlineMark = "\\ No newline at end of file";
