import { withDeadline } from "../../core/deadline.ts";
import { type Echo, echoesOf } from "./echoes.ts";
import { isFor, type KnownSecret, type Place } from "./secret.ts";

/** Limit for a value's source, such as a command */
const valueTimeoutMs = 60_000;
const basic = /^(basic +)([A-Za-z0-9+/]+={0,2})( *)$/i;
/** What all servers take in a field (RFC 9110, section 5.5) */
const fieldText = /^[\t\x20-\x7e]*$/;

/** A field of a request or an answer: its name and its value. */
export type Field = [name: string, value: string];

/** The part of a request in which a secret can be. */
export interface RequestHead {
  readonly fields: readonly Field[];
  /** Path and query */
  readonly target: string;
}

/** A request with the values in it. */
export interface FilledIn extends RequestHead {
  /** Names of the secrets that are in it */
  readonly used: readonly string[];
  /** Fields that have a value now, in lower case */
  readonly sensitive: ReadonlySet<string>;
  /** What a server may say again, and what the guest gets in its place */
  readonly echoes: readonly Echo[];
}

export type FillingIn = FilledIn | { readonly denial: string } | { readonly failure: string };

/** Puts values in the place of placeholders, where that is allowed. */
export async function fillIn(head: RequestHead, secrets: readonly KnownSecret[], place: Place): Promise<FillingIn> {
  const wanted = secrets.filter((secret) => isUsed(secret, head));
  const denial = denialOf(wanted, head, place);
  if (denial !== undefined) return { denial };
  const values = new Map<KnownSecret, string>();
  for (const secret of wanted) {
    const value = await currentValue(secret);
    if (value === undefined) return { failure: `the value of secret '${secret.name}' is not to be had` };
    if (!fieldText.test(value)) return { failure: `secret '${secret.name}' has characters that no header may have` };
    values.set(secret, value);
  }
  return replaced(head, values);
}

/** Whether a placeholder is anywhere in a head. */
function isUsed({ placeholder }: KnownSecret, { fields, target }: RequestHead): boolean {
  return hasPlaceholder(target, placeholder) || fields.some(([, value]) => has(value, placeholder));
}

function has(value: string, placeholder: string): boolean {
  return value.includes(placeholder) || (credentialsIn(value)?.includes(placeholder) ?? false);
}

function hasPlaceholder(target: string, placeholder: string): boolean {
  return target.includes(placeholder) || target.includes(encodeURIComponent(placeholder));
}

/** Why one of the secrets must not be in this request. */
function denialOf(wanted: readonly KnownSecret[], { target }: RequestHead, place: Place): string | undefined {
  const [path = ""] = target.split("?", 1);
  for (const secret of wanted) {
    const { name, placeholder, inQuery } = secret;
    if (!isFor(secret, place)) return `secret '${name}' is not for ${place.host}`;
    if (hasPlaceholder(path, placeholder)) return `secret '${name}' is not put into a path`;
    if (!inQuery && hasPlaceholder(target, placeholder)) return `secret '${name}' is put into headers only`;
  }
  return undefined;
}

/** undefined: there is none now. Why is not told, because the guest reads it. */
async function currentValue({ name, value }: KnownSecret): Promise<string | undefined> {
  const waitingFor = `the value of secret '${name}'`;
  // A source that fails at once fails like any other.
  const reading = Promise.resolve().then(value);
  const text = await withDeadline(reading, { timeoutMs: valueTimeoutMs, waitingFor }).catch(() => undefined);
  return text?.replace(/^[\r\n]+|[\r\n]+$/g, "") || undefined;
}

function replaced({ fields, target }: RequestHead, values: ReadonlyMap<KnownSecret, string>): FilledIn {
  const echoes: Echo[] = [];
  const sensitive = new Set<string>();
  const put = (text: string, encode = (plain: string) => plain) => {
    let filled = text;
    for (const [{ placeholder }, value] of values) {
      for (const form of new Set([placeholder, encode(placeholder)])) {
        // A function, because a text would give `$&` in a value a meaning.
        filled = filled.replaceAll(form, () => encode(value));
      }
    }
    return filled;
  };
  for (const [{ placeholder }, value] of values) echoes.push(...echoesOf(value, placeholder));
  const putInto = (value: string) => {
    const credentials = credentialsIn(value);
    const filled = credentials === undefined ? undefined : put(credentials);
    if (credentials === filled || filled === undefined) return put(value);
    const [, scheme = "", encoded = "", end = ""] = basic.exec(value) ?? [];
    const text = Buffer.from(filled, "latin1").toString("base64");
    echoes.push({ said: text, shown: encoded, isMadeUp: true });
    return scheme + text + end;
  };
  const filledFields = fields.map(([name, value]): Field => {
    const filled = putInto(value);
    if (filled !== value) sensitive.add(name.toLowerCase());
    return [name, filled];
  });
  const query = target.indexOf("?");
  const filledTarget = query < 0 ? target : target.slice(0, query) + put(target.slice(query), encodeURIComponent);
  const used = [...values.keys()].map(({ name }) => name);
  return { fields: filledFields, target: filledTarget, used, sensitive, echoes };
}

/** `user:password` of a field in the form of HTTP's Basic authentication (RFC 7617). */
function credentialsIn(value: string): string | undefined {
  const [, , encoded] = basic.exec(value) ?? [];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("latin1");
}
