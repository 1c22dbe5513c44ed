import { stat } from "node:fs/promises";
import type { Accelerator } from "../driver.ts";

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Who QEMU runs as, and the `setpriv` options that make it so. */
export interface Confinement {
  /** Set when QEMU runs as somebody else, who must own the files that it writes */
  readonly owner?: FileOwner;
  readonly setprivOptions: readonly string[];
}

/**
 * The user that QEMU becomes when pyro runs as root: nobody's, from the range that Debian policy reserves and never hands out
 * (policy manual, section 9.2.2).
 */
const unprivilegedId = 65_270;

/** QEMU never runs with privileges: a user's stay unraised, root's are dropped. */
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
