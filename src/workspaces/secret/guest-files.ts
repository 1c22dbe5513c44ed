import { PyroError } from "../../core/errors.ts";
import { runScript } from "../../machines/guest/script.ts";
import type { Machine } from "../../machines/machine.ts";
import type { HeldSecret } from "./source.ts";

/** In the guest's memory: no disk of it ever has a value */
const guestDir = "/run/pyro-secrets";

/** A reader sees the old value or the new one, whole. */
const putScript = `
umask 077
mkdir -p ${guestDir} && cat > "${guestDir}/.$1" && chmod 0400 "${guestDir}/.$1" && mv -f "${guestDir}/.$1" "${guestDir}/$1"
`;

/** Puts values into the guest, each in a file of its name that only root can read. */
export async function putIntoGuest(machine: Pick<Machine, "exec">, secrets: readonly HeldSecret[]): Promise<void> {
  await Promise.all(
    secrets.map(async ({ name, value }) => {
      const failure = await runScript(machine, { script: putScript, arguments: [name], input: Buffer.from(value) });
      if (failure === undefined) return;
      throw new PyroError("failed_precondition", `cannot put secret '${name}' into the guest: ${failure}`, {
        hint: "Use an environment with a shell and the core utilities.",
      });
    }),
  );
}
