import { PyroError } from "../core/errors.ts";

/** A URL in parts: `scheme://`, user, `host:port`, path, and the rest. */
const urlPattern = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(.*)$/is;
/** `git@example.com:project.git`, for ssh. The host is not a transport of git's, as in `ext::…` */
const sshPattern = /^(?:[^@:/\s]+@)?(?!-)(?:\[[^\]\s]+\]|[^@:/\s[\]]+):(?!:)/;
const hostPattern = /^(?!-)(?:\[[0-9a-f:.]+\]|[^:[\]@\s]*)(?::\d*)?$/i;

/** A URL without credentials, for the clone's configuration, records, descriptions and messages. */
export function redactedUrl(url: string): string {
  const parts = urlPattern.exec(url);
  if (!parts) return url;
  const [, scheme = "", login, host = "", path = ""] = parts;
  // Only ssh needs a user name that is no secret. Over https it can be a token.
  const name = scheme.toLowerCase() === "ssh://" && login !== undefined ? `${login.replace(/:.*$/s, "")}@` : "";
  return `${scheme}${name}${host}${path}`;
}

/** Another program's text about a URL, without its credentials. */
export function withoutCredentials(text: string, url: string): string {
  const [, scheme = "", login = "", , , query = ""] = urlPattern.exec(url) ?? [];
  const [, password = ""] = /^[^:]*:(.*)$/s.exec(login) ?? [];
  // A name without a password can be a token.
  const logins = password !== "" || scheme.toLowerCase() !== "ssh://" ? [login, password] : [];
  const secrets = [...logins, query].flatMap((secret) => [secret, decoded(secret)]);
  const known = secrets
    .filter((secret) => secret.length > 2)
    .reduce((said, secret) => said.replaceAll(secret, "[REDACTED]"), text.replaceAll(url, redactedUrl(url)));
  return known.replaceAll(/(https?:\/\/)[^/\s'"]*@/gi, "$1");
}

/** Refuses text that git could take for an option, a command or a relative path. */
export function requireCloneUrl(url: string): void {
  const hint = "Give a URL such as https://example.com/project.git, or an absolute path.";
  const refuse = (reason: string): never => {
    throw new PyroError("invalid_argument", `cannot clone '${redactedUrl(url)}': ${reason}`, { hint });
  };
  if (url === "") refuse("the URL is empty");
  if (/\p{Cc}/u.test(url)) refuse("the URL has control characters in it");
  if (isMistyped(url)) {
    // A URL that cannot be parsed can have a password anywhere.
    throw new PyroError("invalid_argument", "cannot clone the URL: its host is not one", {
      hint: "Give a URL such as https://example.com/project.git; write /, ?, # and @ in a password as %2F, %3F, %23 and %40.",
    });
  }
  if (urlPattern.test(url) || url.startsWith("/") || (sshPattern.test(url) && !url.startsWith("-"))) return;
  refuse("it is no URL that git can clone");
}

/** Whether the host part is not a host, so that a name or password can be anywhere. */
function isMistyped(url: string): boolean {
  const parts = urlPattern.exec(url);
  if (!parts) return /^(?:https?|ssh|git|file|ftps?):/i.test(url) || /^[^/\s]*:[^/\s]*@/.test(url);
  const [, scheme = "", , host = ""] = parts;
  return host === "" ? scheme.toLowerCase() !== "file://" : !hostPattern.test(host);
}

/** Refuses text that is not a branch, a tag, a full name (`refs/…`) or a commit. */
export function requireCloneRef(ref: string): void {
  const isName = !/^[-/.]|\/$|\.$|\.lock$|\.\.|\/[/.]|@\{|[\p{Cc} ~^:?*[\\]/u.test(ref) && ref !== "" && ref !== "@";
  if (isName) return;
  throw new PyroError("invalid_argument", `cannot clone ref '${ref}': it is no name of a branch, tag or commit`, {
    hint: "Give a branch, a tag or a full commit identifier.",
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // It is a literal percent sign.
    return text;
  }
}
