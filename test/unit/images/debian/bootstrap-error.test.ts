import { expect, test } from "vitest";
import { bootstrapError } from "../../../../src/images/debian/bootstrap-error.ts";

/** What mmdebstrap 1.3.5 wrote, with the mirror's name replaced. */
const seen = [
  {
    what: "an unknown host",
    stderr: `I: running apt-get update...
Ign:1 http://mirror.invalid/debian bookworm InRelease
Err:1 http://mirror.invalid/debian bookworm InRelease
  Could not resolve 'mirror.invalid'
Reading package lists...
E: Failed to fetch http://mirror.invalid/debian/dists/bookworm/InRelease  Could not resolve 'mirror.invalid'
E: apt-get update --error-on=any -oAPT::Status-Fd=<$fd> -oDpkg::Use-Pty=false failed
E: mmdebstrap failed to run
`,
    code: "unavailable",
    message: "cannot pull 'debian:12': the package mirror cannot be used: Could not resolve 'mirror.invalid'",
  },
  {
    what: "a host without the distribution",
    stderr: `Err:2 http://10.0.0.1/debian bookworm Release
  404  Not Found [IP: 10.0.0.1 80]
E: The repository 'http://10.0.0.1/debian bookworm Release' does not have a Release file.
E: mmdebstrap failed to run
`,
    code: "unavailable",
    message: "cannot pull 'debian:12': the package mirror cannot be used: 404  Not Found [IP: 10.0.0.1 80]",
  },
  {
    what: "a full disk",
    stderr: "tar: ./etc/pam.d/other: Cannot write: No space left on device\nE: setup failed: E: tar failed\n",
    code: "resource_exhausted",
    message: "cannot pull 'debian:12': the disk became full while packages were unpacked",
  },
  {
    what: "something else",
    stderr: "E: Unable to locate package nosuch\nE: setup failed: E: apt-get failed\n",
    code: "internal",
    message: "cannot pull 'debian:12': mmdebstrap failed: Unable to locate package nosuch",
  },
  {
    what: "silence",
    stderr: "",
    code: "internal",
    message: "cannot pull 'debian:12': mmdebstrap failed: it did not say why",
  },
];

test.each(seen)("bootstrapError() puts $what into one line", ({ stderr, code, message }) => {
  expect(bootstrapError("debian:12", stderr)).toMatchObject({ code, message });
});
