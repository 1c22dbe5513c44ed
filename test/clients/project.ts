import { onHost } from "../helpers/host-tree.ts";

/**
 * Makes a small but realistic repository: a bug and a test that shows it, ignored packages,
 * generated files, an unreadable file, an untracked one, and an uncommitted change.
 */
export function makeProject(dir: string): void {
  onHost(
    dir,
    `
    mkdir -p src 'docs and notes' node_modules/left build
    cat > src/greet.sh <<'END'
# Greets its argument, or the world if there is none.
greet() {
  name=$1
  echo "Hello, $name!"
}
END
    cat > test.sh <<'END'
. ./src/greet.sh
status=0
check() {
  if [ "$1" = "$2" ]; then echo "ok: $2"; else echo "FAIL: got '$1', want '$2'"; status=1; fi
}
check "$(greet Ada)" 'Hello, Ada!'
check "$(greet '')" 'Hello, world!'
exit $status
END
    printf 'node_modules\\nbuild\\nsecret.key\\n' > .gitignore
    echo 'naïve – 文' > 'docs and notes/read me.txt'
    printf '\\000\\001\\377\\376' > logo.bin
    echo 'module.exports = 1' > node_modules/left/index.js
    echo generated > build/out.txt
    echo secret > secret.key; chmod 000 secret.key
    echo 'as committed' > changed.txt
    git init -q -b main
    git add -A
    git -c user.name=tester -c user.email=tester@example.com commit -q -m 'as it was'
    echo 'as edited since' > changed.txt
    echo untracked > scratch.txt
    `,
  );
}

/** What repairs it, as `git diff` would write it. */
export const fix = `diff --git a/src/greet.sh b/src/greet.sh
--- a/src/greet.sh
+++ b/src/greet.sh
@@ -1,5 +1,5 @@
 # Greets its argument, or the world if there is none.
 greet() {
-  name=$1
+  name=\${1:-world}
   echo "Hello, $name!"
 }
`;
