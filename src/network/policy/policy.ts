import { ruleMatchesName } from "./host-rule.ts";
import { judgeLiteral, judgeMeaning, type RefusedAddress } from "./judge-address.ts";
import { judgeName } from "./judge-name.ts";
import { includesPort } from "./ports.ts";
import { type NetworkRules, parseRules } from "./rules.ts";
import { type Denial, deniedBy, type Verdict, withMode } from "./verdict.ts";

export interface Dialable {
  /** What may be dialled, in the order that it came, as text that means this address alone */
  readonly allowed: readonly string[];
  readonly refused: readonly RefusedAddress[];
}

/** Decides what a guest may reach. It answers the same for the same question, and asks no one. */
export interface NetworkPolicy {
  /** A DNS question: whether the name is allowed on any port. */
  judgeName(name: string): Verdict;
  /** A connection to a name. Its addresses have to be judged too, at every dial. */
  judgeNamed(name: string, port: number): Verdict;
  /** A connection to an address that the guest gave itself. */
  judgeLiteral(address: string, port: number): Verdict;
  /** Which of the addresses that a name means may be dialled. */
  dialable(name: string, port: number, addresses: readonly string[]): Dialable;
  /** Whether a rule allows the name itself, on a port or on any; not only as a public one. */
  isNamed(name: string, port?: number): boolean;
  /** Why a name is denied, whatever else is allowed; undefined if no rule denies it. */
  denialOf(name: string, port: number): Denial | undefined;
}

/** Throws `invalid_argument` if a rule is none. */
export function compilePolicy(rules: NetworkRules): NetworkPolicy {
  const parsed = parseRules(rules);
  const judgeNamed = (name: string, port?: number) => withMode(parsed, judgeName(parsed, name, port));
  return {
    judgeName: (name) => judgeNamed(name),
    judgeNamed,
    isNamed: (name, port) =>
      parsed.allow.some(
        (each) => ruleMatchesName(each, name) && (port === undefined || includesPort(each.ports, port)),
      ),
    denialOf(name, port) {
      const rule = parsed.deny.find((each) => ruleMatchesName(each, name) && includesPort(each.ports, port));
      return rule && deniedBy(rule);
    },
    judgeLiteral: (address, port) => withMode(parsed, judgeLiteral(parsed, address, port)),
    dialable(name, port, addresses) {
      const verdict = judgeNamed(name, port);
      const judged = [...new Set(addresses)].map((text) => judgeMeaning(parsed, { name, port, text, verdict }));
      return {
        // Two spellings can be one address.
        allowed: [...new Set(judged.filter((result) => typeof result === "string"))],
        refused: judged.filter((result) => typeof result !== "string"),
      };
    },
  };
}
