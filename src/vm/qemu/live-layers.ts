import { join } from "node:path";
import { PyroError } from "../../core/errors.ts";
import type { VmSpec } from "../driver.ts";
import { giveTo, inherited } from "../inherited-files.ts";
import { tableSliceBytes } from "./args.ts";
import type { VmProcess } from "./vm-process.ts";

/** The workspace disk of a running VM, as a stack that grows. */
export class LiveLayers {
  readonly #vm: VmProcess;
  readonly #spec: VmSpec;
  #topNode = "workspace";
  #pushes = 0;

  constructor(vm: VmProcess, spec: VmSpec) {
    this.#vm = vm;
    this.#spec = spec;
  }

  async push(fileName: string): Promise<void> {
    const { layersDir, workspaceDisk } = this.#spec;
    const { layers, qmp } = this.#vm;
    if (layersDir === undefined || layers === undefined) {
      throw new PyroError("internal", "this machine's workspace disk takes no more layers");
    }
    if (layers.owner) giveTo(join(layersDir, fileName), layers.owner);
    const overlay = `workspace-live-${++this.#pushes}`;
    const cache = { "no-flush": !workspaceDisk.durable };
    await qmp.execute("blockdev-add", {
      driver: "qcow2",
      "node-name": overlay,
      backing: null,
      discard: "unmap",
      "l2-cache-entry-size": tableSliceBytes,
      "lazy-refcounts": true,
      cache,
      file: {
        driver: "file",
        "node-name": `${overlay}-file`,
        filename: `${inherited(layers.dirFd)}/${fileName}`,
        locking: "off",
        discard: "unmap",
        cache,
      },
    });
    await qmp.execute("blockdev-snapshot", { node: this.#topNode, overlay });
    this.#topNode = overlay;
  }
}
