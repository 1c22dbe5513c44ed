import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { formsOf } from "../../src/workspaces/secret/forms.ts";

/** Larger files are disks, which have no text that is wrapped */
const maxWrappedBytes = 8 * 1024 * 1024;

/** The forms of these values that a text has, line ends or not. */
export function tracesIn(text: string | Buffer, values: readonly string[]): string[] {
  const given = Buffer.from(text as Buffer);
  const isSmall = given.length <= maxWrappedBytes;
  const joined = isSmall ? Buffer.from(given.toString("latin1").replace(/[\r\n]/g, ""), "latin1") : given;
  const forms = values.flatMap(formsOf).map(({ bytes }) => bytes);
  return forms.filter((form) => given.includes(form) || joined.includes(form)).map((form) => form.toString("latin1"));
}

/** Files below a folder that have one of these values in content or name, but for some by name. */
export function tracesBelow(dir: string, values: readonly string[], without = /^$/): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" }).flatMap((name) => {
    const path = join(dir, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (without.test(name) || !stats) return [];
    const found = [...tracesIn(name, values), ...(stats.isFile() ? tracesIn(readFileSync(path), values) : [])];
    return found.map((form) => `${name}: ${form.slice(0, 40)}`);
  });
}
