/** A text as programs write it, in each way that is looked for. */
export function writings(text: string): Readonly<Record<string, string>> {
  const base64 = (before: string) => Buffer.from(`${before}${text}`).toString("base64");
  const base64Url = (before: string) => Buffer.from(`${before}${text}`).toString("base64url");
  const lower = (encoded: string) => encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  const escaped = JSON.stringify(text).slice(1, -1);
  return {
    "it is": text,
    JSON: escaped,
    "JSON with slashes escaped": escaped.replaceAll("/", "\\/"),
    "JSON in ASCII": escaped.replace(
      /[\u007f-\uffff]/g,
      (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
    "part of a URL": encodeURIComponent(text),
    "part of a URL in lower case": lower(encodeURIComponent(text)),
    "a URL": encodeURI(text),
    "a field of a form": new URLSearchParams({ "": text }).toString().slice(1),
    "%XX": [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
    base64: base64(""),
    "base64 behind one byte": base64("a"),
    "base64 behind two bytes": base64("ab"),
    base64url: base64Url(""),
    "base64url behind one byte": base64Url("a"),
    "base64url behind two bytes": base64Url("ab"),
  };
}
