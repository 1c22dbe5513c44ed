import { PyroError } from "../../core/errors.ts";
import { type HostRule, parseHostRule, ruleMatchesName } from "../policy/host-rule.ts";
import { includesPort } from "../policy/ports.ts";

/** A secret whose value the host puts in, and the guest never has. */
export interface BrokeredSecret {
  readonly name: string;
  /** `NAME` or `*.NAME`, with `:PORT` if it is not the web's */
  readonly hosts: readonly string[];
  /** What the guest has in the value's place */
  readonly placeholder: string;
  /** Whether it is also put into the query of a request */
  readonly inQuery?: boolean;
  /** The value as it is now. Its error must not tell it */
  value(): Promise<string>;
}

/** Where a request goes. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** A secret with its hosts as rules. */
export interface KnownSecret extends Omit<BrokeredSecret, "hosts"> {
  readonly hosts: readonly HostRule[];
}

/** Reads the hosts of a secret; throws `invalid_argument` if one of them is no name. */
export function parseHosts({ name, hosts }: Pick<BrokeredSecret, "name" | "hosts">): readonly HostRule[] {
  return hosts.map((text) => {
    const rule = parseHostRule(text, "allow host");
    if (rule.target.kind === "name") return rule;
    throw new PyroError("invalid_argument", `cannot broker secret '${name}': '${text}' is an address`, {
      hint: "Name the host, because TLS proves names.",
    });
  });
}

/** Throws as `parseHosts` does. */
export function knownSecret(secret: BrokeredSecret): KnownSecret {
  const hosts = parseHosts(secret);
  // A spread would leave a method of a class out.
  const { name, placeholder, inQuery = false } = secret;
  return { name, placeholder, inQuery, hosts, value: () => secret.value() };
}

export function isFor({ hosts }: KnownSecret, { host, port }: Place): boolean {
  return hosts.some((rule) => includesPort(rule.ports, port) && ruleMatchesName(rule, host));
}

/** The domains that the hosts of secrets are in. */
export function domainsOf(secrets: readonly KnownSecret[]): readonly string[] {
  const domains = secrets.flatMap(({ hosts }) =>
    hosts.flatMap(({ target }) => (target.kind === "name" ? [target.pattern.name] : [])),
  );
  return [...new Set(domains)];
}
