import { statfs } from "node:fs/promises";

/**
 * File systems whose files are views of the kernel: sizes are not true, content changes with every
 * look, and a read can wait for ever or change something. No copy of them is true. The name is the
 * one of `find -fstype`, the number the one of `statfs` (linux/magic.h).
 */
const magicNumbers: Readonly<Record<string, number>> = {
  proc: 0x9fa0,
  sysfs: 0x62656572,
  debugfs: 0x64626720,
  tracefs: 0x74726163,
  cgroup: 0x27e0eb,
  cgroup2: 0x63677270,
  devpts: 0x1cd1,
  securityfs: 0x73636673,
  selinuxfs: 0xf97cff8c,
  smackfs: 0x43415d53,
  pstore: 0x6165676c,
  bpf: 0xcafe4a11,
  efivarfs: 0xde5e81e4,
  configfs: 0x62656570,
  mqueue: 0x19800202,
  binfmt_misc: 0x42494e4d,
  fusectl: 0x65735543,
  nsfs: 0x6e736673,
  resctrl: 0x7655821,
  binder: 0x6c6f6f70,
  rpc_pipefs: 0x67596969,
  nfsd: 0x6e667364,
  xenfs: 0xabba1974,
};

export const pseudoFileSystems: readonly string[] = Object.keys(magicNumbers);

/** Anonymous pipes, such as those of `<(command)` in a shell */
const pipefsMagic = 0x50495045;

const byMagic = new Map(Object.entries(magicNumbers).map(([name, magic]) => [magic, name]));

/** The name of the pseudo file system that a path is in, if it is in one. */
export async function pseudoFileSystemOf(path: string): Promise<string | undefined> {
  return byMagic.get((await statfs(path)).type);
}

export async function isAnonymousPipe(path: string): Promise<boolean> {
  return (await statfs(path)).type === pipefsMagic;
}

/** The reason for leaving out, or refusing, what is in a pseudo file system. */
export function pseudoReason(fileSystem: string): string {
  return `it is in a ${fileSystem} file system, whose files the kernel makes up`;
}
