/** Names that programs stumble over, as the format of a `printf` that makes them. */
const names = [
  ...["plain.txt", "with space", " leading", "trailing ", "it's", 'say "hi"', "back\\\\slash", "tab\\there"],
  ...["line\\nbreak", "naïve", "文字", "\\351\\377", "-dash", "*", "$HOME", "#hash", "semi;colon", "a=b", "\\001"],
];
const dirs = ["", "src/", "src/deep/", "docs/", "new/", "new/er dir/", "文/", "b\\351/"];

/** Repeats itself for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const prelude = `
# What an edit cannot do here it leaves; both sides leave the same.
put() { mkdir -p "$(dirname "./$1")" && { [ ! -d "./$1" ] || rm -rf "./$1"; } && rm -f "./$1" && cat > "./$1"; }
`;

/** A tree to begin with, as a shell script; files are found again by the edits. */
export function makeTree(seed: number): string {
  const random = randomFrom(seed);
  const lines = dirs.flatMap((dir) =>
    names.filter(() => random(3) === 0).map((name) => `seq ${random(60)} | put "$(printf '${quoted(dir + name)}')"`),
  );
  return [prelude, ...lines, "printf 'a\\000b' | put src/binary; mkdir empty; ln -s src/binary link"].join("\n");
}

/** Random edits of every kind, as a shell script. */
export function makeEdits(seed: number, count: number): string {
  const random = randomFrom(seed);
  const path = () => {
    const [dir = "", name = ""] = [dirs[random(dirs.length)], names[random(names.length)]];
    return `"./$(printf '${quoted(dir + name)}')"`;
  };
  const dir = () => `"./$(printf '${quoted((dirs[1 + random(dirs.length - 1)] ?? "").replace(/\/$/, ""))}')"`;
  const kinds: (() => string)[] = [
    () => `[ ! -f ${path()} ] || echo`,
    () => appended(path(), random(1000)),
    () => appended(path(), random(1000)),
    () => `seq ${random(50)} ${50 + random(50)} | put ${path()}`,
    () => `seq 5 | tr '\\n' ' ' | put ${path()}`,
    () => `printf 'x\\000${random(1000)}\\377' | put ${path()}`,
    () => `: | put ${path()}`,
    () => edited(path(), random(30)),
    () => edited(path(), random(30)),
    () => `rm -rf ${path()}`,
    () => `rm -f ${path()}`,
    () => (random(4) === 0 ? `rm -rf ${dir()}` : `mkdir -p ${path()}/sub; echo x > ${path()}/sub/file`),
    () => `mkdir -p ${path()}`,
    () => `mv -T ${path()} ${path()}`,
    () => `mv ${path()} ${dir()}/moved-${random(5)}`,
    () => (random(3) === 0 ? `mv -T ${dir()} ${path()}` : `cp -R ${path()} ${path()}`),
    () => changedMode(path(), ["+x", "-x", "600", "755"][random(4)] ?? "+x"),
    () => changedMode(path(), ["+x", "-x", "go-r", "o+w"][random(4)] ?? "+x"),
    () => `ln -sfn target-${random(9)} ${path()}`,
    () => `p=${path()}; rm -rf "$p"; mkdir -p "$(dirname "$p")"; ln -s "$(printf 'to\\351\\n${random(9)}')" "$p"`,
    () => `p=${path()}; [ ! -L "$p" ] || { rm "$p"; echo was a link > "$p"; }`,
    () => `p=${path()}; [ ! -f "$p" ] || { cp -p "$p" "$p.copy"; mv "$p.copy" "$p"; touch "$p"; }`,
  ];
  const lines = Array.from({ length: count }, () => `{ ${kinds[random(kinds.length)]?.()}; } 2> /dev/null || :`);
  return [prelude, ...lines].join("\n");
}

function appended(path: string, value: number): string {
  return `p=${path}; [ ! -f "$p" ] || echo ${value} >> "$p"`;
}

function edited(path: string, line: number): string {
  return `p=${path}; [ -L "$p" ] || [ ! -f "$p" ] || sed -i '${line + 1}s/$/ changed/' "$p"`;
}

function changedMode(path: string, mode: string): string {
  return `p=${path}; [ -L "$p" ] || [ ! -e "$p" ] || chmod ${mode} "$p"`;
}

/** In single quotes of a shell, as a format. */
function quoted(format: string): string {
  return format.replaceAll("%", "%%").replaceAll("'", "'\\''");
}
