import { base64Cores } from "../../core/base64.ts";
import { withoutLineEnds } from "./rules.ts";

/** A value as it may be written, without line ends. */
export interface Form {
  readonly bytes: Buffer;
  /** Whether line ends between its bytes do not matter: base64 is wrapped, CRLF stands for LF */
  readonly skipsLineEnds: boolean;
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

/** What web forms keep. In them a space becomes a plus */
const keptInForms = `${unreserved}*`;

/** Characters that programs leave as they are when they percent-encode a text */
const percentKept = [
  // All of RFC 3986, as curl and Go do
  `${unreserved}~`,
  // encodeURIComponent
  `${unreserved}~!*'()`,
  // encodeURI
  `${unreserved}~!*'();/?:@&=+$,#`,
  // Python's quote
  `${unreserved}~/`,
  keptInForms,
  "",
] as const;

/** Every form in which a value is looked for, each once. */
export function formsOf(value: string): readonly Form[] {
  const bare = withoutLineEnds(value);
  const texts = [bare, ...jsonForms(bare), ...percentForms(bare)];
  const forms = new Map<string, Form>();
  const add = (text: string, isBase64: boolean) => {
    const bytes = Buffer.from(text.replace(/[\r\n]/g, ""));
    const skipsLineEnds = isBase64 || /[\r\n]/.test(text);
    forms.set(`${skipsLineEnds} ${bytes.toString("latin1")}`, { bytes, skipsLineEnds });
  };
  for (const text of texts) add(text, false);
  for (const text of base64Forms(bare)) add(text, true);
  return [...forms.values()];
}

/** The text of a JSON string. Programs differ in what they escape beyond what they must. */
function jsonForms(value: string): readonly string[] {
  const usual = JSON.stringify(value).slice(1, -1);
  const choices = [usual, usual.replaceAll("/", "\\/")];
  const widened = choices.flatMap((text) => [text, ...escaped(text, /[<>&']/g)]);
  return widened.flatMap((text) => [text, ...escaped(text, /[\u007f-\uffff]/g)]);
}

/** With some characters as `\uXXXX`, in lower and in upper case. */
function escaped(text: string, characters: RegExp): readonly string[] {
  const codeOf = (character: string) => character.charCodeAt(0).toString(16).padStart(4, "0");
  return [
    text.replace(characters, (character) => `\\u${codeOf(character)}`),
    text.replace(characters, (character) => `\\u${codeOf(character).toUpperCase()}`),
  ];
}

function percentForms(value: string): readonly string[] {
  return percentKept.flatMap((kept) => {
    const upper = [...Buffer.from(value)].map((byte) => percentEncoded(byte, kept)).join("");
    return [upper, upper.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())];
  });
}

function percentEncoded(byte: number, kept: string): string {
  const character = String.fromCharCode(byte);
  if (kept === keptInForms && character === " ") return "+";
  return kept.includes(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** In base64 and base64url, in a longer text. */
function base64Forms(value: string): readonly string[] {
  return base64Cores(Buffer.from(value)).flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]);
}
