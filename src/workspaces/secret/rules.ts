import { PyroError } from "../../core/errors.ts";

/** What stands for a value wherever it would have been */
export const redactedMarker = "[REDACTED]";

/** Secrets that a workspace may have */
export const maxSecrets = 32;
export const maxValueBytes = 64 * 1024;
/** A shorter value would be found in text that has nothing to do with it */
const minValueChars = 6;

/** Refuses a value that cannot be kept out of what leaves a workspace, or that no file can have. */
export function requireUsableValue(name: string, value: string): void {
  const problem = problemOf(value);
  if (problem === undefined) return;
  throw new PyroError("invalid_argument", `cannot use secret '${name}': ${problem}`);
}

function problemOf(value: string): string | undefined {
  if (value.includes("\0")) return "its value has a NUL character in it";
  if (/\p{Surrogate}/u.test(value)) return "its value is not UTF-8 text";
  if (Buffer.byteLength(value) > maxValueBytes) return `its value has more than ${maxValueBytes} bytes`;
  const bare = withoutLineEnds(value);
  // Line ends are looked past, so they tell a value from other text no better than none would.
  if ([...bare.replace(/[\r\n]/g, "")].length < minValueChars)
    return `its value has fewer than ${minValueChars} characters`;
  if (redactedMarker.includes(bare) || bare.includes(redactedMarker)) {
    return `its value cannot be told from ${redactedMarker}, which stands for values`;
  }
  return undefined;
}

/** A value without the line ends around it, which a file has and the value does not mean. */
export function withoutLineEnds(value: string): string {
  return value.replace(/^[\r\n]+|[\r\n]+$/g, "");
}
