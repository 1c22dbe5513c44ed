import { fileURLToPath } from "node:url";
import { onHost } from "./host-tree.ts";

const checkout = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A git repository of some 2,000 files at `dir`: our own sources, and packages as they are
 * installed; a third of it without those.
 */
export function makeSampleRepository(dir: string, { withPackages }: { readonly withPackages: boolean }): void {
  const packages = withPackages ? ["zod", "diff", "vitest", ".bin"] : [];
  onHost(
    "/",
    `
    mkdir -p "$2/node_modules"
    cd "$1"
    cp -a docs scripts src test Makefile package.json "$2"
    shift 2
    for name; do cp -a "node_modules/$name" "$OLDPWD/$DIR/node_modules"; done
    `.replaceAll("$OLDPWD/$DIR", dir),
    checkout,
    dir,
    ...packages,
  );
  onHost(
    dir,
    `
    mkdir -p 'odd names/empty' && cd 'odd names'
    echo quote > "it's \\"quoted\\".txt"; echo unicode > 'naïve – 文.txt'
    printf 'no newline' > ' leading and trailing '; : > empty.txt
    printf 'a\\000b' > binary.bin; ln -s nowhere dangling; ln -s ../src sources; chmod 755 binary.bin
    cd ..
    git init -q -b main
    git add -A
    git -c user.name=tester -c user.email=tester@example.com commit -q -m 'as it was'
    `,
  );
}
