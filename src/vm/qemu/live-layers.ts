import { join } from "node:path";
import { PyroError } from "../../core/errors.ts";
import type { VmSpec } from "../driver.ts";
import { inherited } from "./args.ts";
import { giveTo } from "./inherited-files.ts";
import type { VmProcess } from "./vm-process.ts";

/** The workspace disk of a running VM as a stack that grows. */
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
    const common = { discard: "unmap", cache: { "no-flush": !workspaceDisk.durable } } as const;
    await qmp.execute("blockdev-add", {
      ...{ driver: "qcow2", "node-name": overlay, backing: null, ...common },
      file: {
        ...{ driver: "file", "node-name": `${overlay}-file`, locking: "off", ...common },
        filename: `${inherited(layers.dirFd)}/${fileName}`,
      },
    });
    await qmp.execute("blockdev-snapshot", { node: this.#topNode, overlay });
    this.#topNode = overlay;
  }
}
