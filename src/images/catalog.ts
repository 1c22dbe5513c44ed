import { PyroError } from "../core/errors.ts";

/** Changes with every entry, so that what was prepared from an older catalog is stale */
export const catalogVersion = "1.3.0";

export const defaultEnvironment = "debian:12";

/** An environment that pyro offers, installed or not. */
export interface CatalogEntry {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** What sets it apart, in a word or two */
  readonly inShort: string;
  /** Packages on top of the essential ones, without their dependencies */
  readonly packages: readonly string[];
  /** Range of pyro versions that can use it */
  readonly compatibility: string;
  /** Debian's name for the machine type of both guest and host: `amd64` */
  readonly architecture: string;
  readonly suite: string;
  /** Metapackage that depends on the current kernel */
  readonly kernelPackage: string;
  /** Disk space that a pull needs, measured and rounded up */
  readonly room: {
    /** Unpacked packages and downloads in `bytes`, removed after the pull */
    readonly scratchBytes: number;
    /** Installed files in `bytes` */
    readonly storeBytes: number;
  };
}

const mib = 1024 * 1024;

const base = ["ca-certificates", "file", "iproute2", "kmod", "less", "netbase", "patch", "procps", "xz-utils"];

const common = [
  ...base,
  "bzip2",
  "curl",
  "git",
  "jq",
  "make",
  "openssh-client",
  "psmisc",
  "python3",
  "python3-pip",
  "python3-pytest",
  "python3-setuptools",
  "python3-venv",
  "ripgrep",
  "rsync",
  "tree",
  "unzip",
  "zip",
  "zstd",
];

const build = [
  ...common,
  "autoconf",
  "automake",
  "build-essential",
  "cmake",
  "libffi-dev",
  "libssl-dev",
  "libtool",
  "ninja-build",
  "pkg-config",
  "python3-dev",
  "zlib1g-dev",
];

const debian12 = {
  version: "1.3.0",
  compatibility: ">=0.1.0 <1.0.0",
  architecture: "amd64",
  suite: "bookworm",
  kernelPackage: "linux-image-cloud-amd64",
};

export const catalog: readonly CatalogEntry[] = [
  {
    ...debian12,
    name: "debian:12",
    description: "Debian 12 with git, make, Python, pip, venv and pytest, and the tools of everyday work",
    inShort: "everyday tools",
    packages: common,
    room: { scratchBytes: 640 * mib, storeBytes: 470 * mib },
  },
  {
    ...debian12,
    name: "debian:12-base",
    description: "Debian 12 with a shell and the core Unix tools",
    inShort: "small",
    packages: base,
    room: { scratchBytes: 420 * mib, storeBytes: 320 * mib },
  },
  {
    ...debian12,
    name: "debian:12-build",
    description: "Debian 12 as debian:12, with compilers and the usual build tools",
    inShort: "compilers too",
    packages: build,
    room: { scratchBytes: 1150 * mib, storeBytes: 900 * mib },
  },
];

export function catalogEntry(name: string): CatalogEntry {
  const entry = catalog.find((candidate) => candidate.name === name);
  if (entry) return entry;
  const choices = catalog.map((candidate) => candidate.name).join(", ");
  throw new PyroError("invalid_argument", `unknown environment '${name}': choose one of ${choices}`);
}
