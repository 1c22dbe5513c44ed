import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { currentRecord, type WorkspaceCall } from "../control/access.ts";
import { isActive } from "../record/record.ts";
import type { SecretRecord } from "../record/secret.ts";
import type { FindSecrets } from "../secret/caller.ts";
import { secretsFor } from "../secret/given.ts";
import { SecretMatcher } from "../secret/matcher.ts";
import { notStopped } from "./inspection.ts";

/** Secrets whose values the guest of a workspace had. Of one that runs nothing else matters yet. */
async function guestSecrets({ context, workspaceId }: WorkspaceCall, verb: string): Promise<readonly SecretRecord[]> {
  const record = await currentRecord(context, workspaceId);
  if (isActive(record)) throw notStopped(workspaceId, verb);
  return record.secrets.filter(({ hosts }) => hosts.length === 0);
}

/**
 * Finds values of a stopped workspace's secrets, which are read again where they come from;
 * undefined if it has none. Fails if one cannot be read, because what cannot be looked for could be
 * shown.
 */
export async function findKnownSecrets(
  call: WorkspaceCall,
  { verb, operation }: { readonly verb: string; readonly operation: string },
): Promise<FindSecrets | undefined> {
  const secrets = await guestSecrets(call, verb);
  if (secrets.length === 0) return undefined;
  const { records, held } = await secretsFor(call.context, secrets, undefined, call.signal);
  const unknown = records.find(({ available }) => !available);
  if (unknown) {
    throw notSearched(
      call,
      { verb, operation },
      `the value of secret '${unknown.name}' is not known while it is stopped`,
    );
  }
  const matcher = new SecretMatcher(held.map(({ value }) => value));
  return async (buffers) => ({
    reachBytes: matcher.reachBytes,
    ranges: buffers.map((buffer) => matcher.find(buffer)),
  });
}

/** Fails if the guest had secrets: its programs may have written a value to a disk. */
export async function refuseSecrets(
  call: WorkspaceCall,
  about: { readonly verb: string; readonly operation: string },
): Promise<void> {
  const [first] = await guestSecrets(call, about.verb);
  if (first)
    throw notSearched(call, about, `its guest had secrets, such as '${first.name}', and nothing looks for them`);
}

function notSearched(
  { workspaceId }: WorkspaceCall,
  { verb, operation }: { readonly verb: string; readonly operation: string },
  reason: string,
): PyroError {
  return new PyroError("failed_precondition", `cannot ${verb} the disks of workspace '${workspaceId}': ${reason}`, {
    hint: hint`Start it and look there, or let values show: ${named(operation, { workspaceId, allowSecrets: true })}.`,
  });
}
