import { Broker } from "../../network/broker/broker.ts";
import type { BrokeredSecret } from "../../network/broker/secret.ts";
import { addedCertificates } from "../../network/certificates/host.ts";
import type { EngineContext } from "../context.ts";

/**
 * What puts secrets into the requests of one guest; undefined if there are none. Servers may have
 * the authorities that were added to this host. The guest has to trust `authorityPem`.
 */
export async function openBroker(
  { certificateFiles }: Pick<EngineContext, "certificateFiles">,
  secrets: readonly BrokeredSecret[],
): Promise<Broker | undefined> {
  if (secrets.length === 0) return undefined;
  const added = await addedCertificates({ files: certificateFiles });
  return Broker.open({ secrets, authorities: added.map(({ pem }) => pem) });
}
