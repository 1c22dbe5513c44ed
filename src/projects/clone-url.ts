import { PyroError } from "../core/errors.ts";

/** A URL in parts: `scheme://`, who logs in, `host:port`, path, and what is behind it. */
const urlPattern = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(.*)$/is;
/** `git@example.com:project.git`, for ssh; the host is not a word of git's own, as in `ext::…` */
const sshPattern = /^(?:[^@:/\s]+@)?(?!-)(?:\[[^\]\s]+\]|[^@:/\s[\]]+):(?!:)/;
const hostPattern = /^(?!-)(?:\[[0-9a-f:.]+\]|[^:[\]@\s]*)(?::\d*)?$/i;

/** A URL without what lets somebody in: for the clone's own configuration, records, descriptions and messages. */
export function redactedUrl(url: string): string {
  const parts = urlPattern.exec(url);
  if (!parts) return url;
  const [, scheme = "", login, host = "", path = ""] = parts;
  // Only ssh needs a name that is no secret; over https a token can stand in its place.
  const name = scheme.toLowerCase() === "ssh://" && login !== undefined ? `${login.replace(/:.*$/s, "")}@` : "";
  return `${scheme}${name}${host}${path}`;
}

/** What another program says about a URL, without its credentials. */
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

/** Refuses what git could take for an option, a command or a path that depends on where it runs. */
export function requireCloneUrl(url: string): void {
  const hint = "Give a URL such as https://example.com/project.git, or an absolute path.";
  const refuse = (reason: string): never => {
    throw new PyroError("invalid_argument", `cannot clone '${redactedUrl(url)}': ${reason}`, { hint });
  };
  if (url === "") refuse("the URL is empty");
  if (/\p{Cc}/u.test(url)) refuse("the URL has control characters in it");
  if (isMistyped(url)) {
    // What cannot be taken apart may have a password anywhere in it.
    throw new PyroError("invalid_argument", "cannot clone the URL: its host is not one", {
      hint: "Give a URL such as https://example.com/project.git; write /, ?, # and @ in a password as %2F, %3F, %23 and %40.",
    });
  }
  if (urlPattern.test(url) || url.startsWith("/") || (sshPattern.test(url) && !url.startsWith("-"))) return;
  refuse("it is no URL that git can clone");
}

/** Whether what stands where the host should be is none, so that a name or password may be anywhere. */
function isMistyped(url: string): boolean {
  const parts = urlPattern.exec(url);
  if (!parts) return /^(?:https?|ssh|git|file|ftps?):/i.test(url) || /^[^/\s]*:[^/\s]*@/.test(url);
  const [, scheme = "", , host = ""] = parts;
  return host === "" ? scheme.toLowerCase() !== "file://" : !hostPattern.test(host);
}

/** Refuses what cannot be the name of a branch or tag, a full name (`refs/…`) or a commit. */
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
    // A percent sign that stands for itself
    return text;
  }
}
