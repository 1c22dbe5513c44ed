import { copyFile, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { PyroError } from "../../core/errors.ts";
import type { BuildRequest, BuiltEnvironment, EnvironmentBuilder } from "../builder.ts";
import { modulesArchive } from "../initramfs.ts";
import { type BuildHost, requireHostTools } from "./host-tools.ts";
import { type BootstrapRequest, bootstrap } from "./mmdebstrap.ts";
import { loadOrder } from "./modules.ts";
import { makeRootImage } from "./root-image.ts";
import { createScratch, removeScratch, scratchParent } from "./scratch.ts";

export interface DebianBuilderOptions extends BuildHost {
  /** Package mirror; default: mmdebstrap's own */
  readonly mirror?: string | undefined;
  /** Folder for an ordinary user's unpacked packages */
  readonly tempDir?: string;
}

/** Modules that the guest needs to mount its root and to talk to the host */
const guestModules = ["virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay"];

/** Builds environments on this machine from Debian's own packages. */
export function debianBuilder(options: DebianBuilderOptions): EnvironmentBuilder {
  const { tempDir = "/var/tmp" } = options;
  const mirror = options.mirror === undefined ? undefined : checkedMirror(options.mirror);
  return {
    roomFor: ({ room }, stagingDir) => [
      { path: stagingDir, bytes: room.storeBytes },
      { path: scratchParent(options, stagingDir, tempDir), bytes: room.scratchBytes },
    ],
    build: async (request) => {
      await requireHostTools(options);
      const scratchDir = await createScratch(options, request.stagingDir, tempDir);
      return await build({ ...request, host: options, scratchDir, mirror });
    },
    clean: (stagingDir) => removeScratch(options, stagingDir),
  };
}

async function build(request: BuildRequest & BootstrapRequest): Promise<BuiltEnvironment> {
  const { entry, stagingDir, host, mirror, onPhase, signal } = request;
  const rootDir = await bootstrap(request);
  const kernel = await takeKernel(rootDir, stagingDir);
  onPhase("image");
  const rootImagePath = join(stagingDir, "root.ext4");
  const packages = await makeRootImage({ host, environment: entry.name, rootDir, imagePath: rootImagePath, signal });
  return {
    source: { kind: "debian-packages", suite: entry.suite, mirror: mirror ?? null },
    packages,
    rootImagePath,
    ...kernel,
  };
}

async function takeKernel(
  rootDir: string,
  stagingDir: string,
): Promise<Pick<BuiltEnvironment, "kernelVersion" | "kernelPath" | "modulesPath">> {
  const modulesRoot = join(rootDir, "usr/lib/modules");
  const [kernelVersion, ...others] = await readdir(modulesRoot);
  if (!kernelVersion || others.length > 0) {
    throw new PyroError("internal", `cannot tell the kernel's version: '${modulesRoot}' does not hold one folder`);
  }
  const kernelPath = join(stagingDir, "vmlinuz");
  await copyFile(join(rootDir, "boot", `vmlinuz-${kernelVersion}`), kernelPath);
  const modulesPath = join(stagingDir, "modules.cpio");
  await writeFile(modulesPath, await archiveModules(join(modulesRoot, kernelVersion)));
  return { kernelVersion, kernelPath, modulesPath };
}

async function archiveModules(modulesDir: string): Promise<Buffer> {
  const readIndex = (name: string) => readFile(join(modulesDir, name), "utf8");
  const index = { dependencies: await readIndex("modules.dep"), builtin: await readIndex("modules.builtin") };
  const modules = [];
  for (const path of loadOrder(guestModules, index)) {
    modules.push({ fileName: basename(path), content: await readFile(join(modulesDir, path)) });
  }
  return modulesArchive(modules);
}

/**
 * Checks a mirror, which goes into the environment's record and its guest and so must have no
 * credentials.
 */
function checkedMirror(mirror: string): string {
  const url = URL.canParse(mirror) ? new URL(mirror) : undefined;
  if (url && ["http:", "https:"].includes(url.protocol) && !url.username && !url.password) return mirror;
  // Without the value, which can hold a password.
  throw new PyroError(
    "invalid_argument",
    "cannot use PYRO_DEBIAN_MIRROR: it must be an http or https URL without a password",
  );
}
