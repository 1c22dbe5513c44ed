import { stat } from "node:fs/promises";
import type { Accelerator } from "./driver.ts";

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** The user that a VMM runs as, and the `setpriv` options for it. */
export interface Confinement {
  /** Set if that is another user than ours, who must own the files that the VMM writes */
  readonly owner?: FileOwner;
  readonly setprivOptions: readonly string[];
}

/**
 * The user that a VMM becomes if pyro runs as root. It is from the range that Debian policy
 * reserves and never hands out (policy manual, section 9.2.2).
 */
const unprivilegedId = 65_270;

/** Takes privileges from a VMM or a disk tool: a user's stay as they are, root's are dropped. */
export async function confine(uid: number, accelerator: Accelerator): Promise<Confinement> {
  if (uid !== 0) return { setprivOptions: ["--no-new-privs"] };
  const gid = accelerator === "kvm" ? (await stat("/dev/kvm")).gid : unprivilegedId;
  return {
    owner: { uid: unprivilegedId, gid },
    setprivOptions: [
      ...["--reuid", String(unprivilegedId), "--regid", String(gid), "--clear-groups"],
      ...["--no-new-privs", "--inh-caps", "-all", "--bounding-set", "-all"],
    ],
  };
}
