const esc = "\x1b";
/** Cursor keys, Home and End, in either of the two forms that a terminal has for them */
const cursorKey = new RegExp(`${esc}[[O]([ABCDFH])`, "g");

/**
 * A text as a terminal sends it when it is typed. Enter is a carriage return, which the terminal
 * makes a line feed for programs that read lines. Cursor keys have the form that the program has
 * asked for (DECCKM).
 */
export function typed(text: string, { applicationCursorKeys }: { readonly applicationCursorKeys: boolean }): string {
  return text.replaceAll(/\r?\n/g, "\r").replaceAll(cursorKey, `${esc}${applicationCursorKeys ? "O" : "["}$1`);
}
