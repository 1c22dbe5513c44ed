/** A guest's name may have line breaks in it, and shall not pass for several entries. */
export function oneLine(name: string): string {
  return /\p{Cc}/u.test(name) ? JSON.stringify(name) : name;
}
