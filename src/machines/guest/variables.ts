import { allowsEgress, type NetworkMode } from "../../network/policy/rules.ts";
import { certificateVariables } from "./certificates.ts";

/**
 * Package managers try again for many seconds what cannot come about in a guest without a way out.
 */
const offlineVariables = { PIP_RETRIES: "0", npm_config_fetch_retries: "0", CARGO_NET_RETRY: "0" };

/** Variables that every command of a guest gets, unless its caller sets them. */
export function guestVariables(
  mode: NetworkMode,
  certificates: readonly unknown[] | null,
): Readonly<Record<string, string>> {
  const trustsHost = certificates !== null && certificates.length > 0;
  return { ...(trustsHost ? certificateVariables : {}), ...(allowsEgress(mode) ? {} : offlineVariables) };
}
