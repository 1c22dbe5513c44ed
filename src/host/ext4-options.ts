/**
 * Every feature by name, because the host's mke2fs.conf can add some that the guest's kernel lacks
 */
const features = [
  ...["ext_attr", "dir_index", "filetype", "extent", "64bit", "flex_bg", "sparse_super"],
  ...["large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum"],
];

const blockBytes = 4096;

export interface Ext4Options {
  /** UUID of the file system. A fixed one makes nearly the same image of the same files */
  readonly id: string;
  readonly bytesPerInode: number;
  /** Limit of growth by the guest, in `bytes`; default: no growth */
  readonly growableToBytes?: number;
  /** Default: it has one */
  readonly hasJournal?: boolean;
}

/** Options of `mke2fs` for an image whose files belong to root. */
export function ext4Options({ id, bytesPerInode, growableToBytes, hasJournal = true }: Ext4Options): readonly string[] {
  const journal = hasJournal ? ["has_journal"] : [];
  const growth = growableToBytes === undefined ? [] : [`resize=${growableToBytes / blockBytes}`];
  const extended = ["root_owner=0:0", `hash_seed=${id}`, ...growth, "lazy_itable_init=1", "lazy_journal_init=1"];
  return [
    ...["-b", String(blockBytes), "-I", "256", "-m", "0", "-i", String(bytesPerInode)],
    ...[...(hasJournal ? ["-J", "size=16"] : []), "-U", id],
    ...["-O", ["none", ...journal, ...features, ...(growableToBytes === undefined ? [] : ["resize_inode"])].join(",")],
    ...["-E", [...extended, "nodiscard"].join(",")],
  ];
}
