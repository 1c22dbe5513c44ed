import { PyroError } from "../../core/errors.ts";
import { excerpt } from "./host-rule.ts";

export interface Preset {
  readonly name: string;
  readonly description: string;
  /** As `--allow-host` takes them */
  readonly rules: readonly string[];
}

/** The preset for what is allowed without rules, to be had beside rules */
export const publicPreset = "public";

/**
 * Hosts that package managers install from, and no others: no uploads, no accounts, no storage that
 * anyone can rent.
 */
export const presets: readonly Preset[] = [
  {
    name: publicPreset,
    description: "The public internet on ports 80, 443, 22 and 9418, as without any rule",
    rules: [],
  },
  {
    name: "npm",
    description: "JavaScript packages for npm, pnpm and Yarn",
    rules: ["registry.npmjs.org:443", "registry.yarnpkg.com:443"],
  },
  {
    name: "pypi",
    description: "Python packages for pip, uv and Poetry",
    rules: ["pypi.org:443", "files.pythonhosted.org:443"],
  },
  {
    name: "crates",
    description: "Rust crates for Cargo",
    rules: ["index.crates.io:443", "static.crates.io:443", "crates.io:443"],
  },
  {
    name: "go",
    description: "Go modules and toolchains through Google's module proxy",
    rules: ["proxy.golang.org:443", "sum.golang.org:443"],
  },
  {
    name: "debian",
    description: "Debian packages for apt",
    rules: ["deb.debian.org", "security.debian.org"],
  },
  {
    name: "rubygems",
    description: "Ruby gems for gem and Bundler",
    rules: ["rubygems.org:443", "index.rubygems.org:443"],
  },
  {
    name: "maven",
    description: "Java packages of Maven Central for Maven and Gradle",
    rules: ["repo.maven.apache.org:443", "repo1.maven.org:443"],
  },
  {
    name: "github",
    description: "Repositories, archives, releases and the API of GitHub, by HTTPS and SSH",
    rules: [
      "github.com:443",
      "github.com:22",
      "ssh.github.com:443",
      "api.github.com:443",
      "codeload.github.com:443",
      "*.githubusercontent.com:443",
    ],
  },
];

export function presetNamed(name: string): Preset {
  const found = presets.find((preset) => preset.name === name);
  if (found) return found;
  throw new PyroError("invalid_argument", `cannot use preset '${excerpt(name)}': there is no such preset`, {
    hint: `Choose one of ${presets.map((preset) => preset.name).join(", ")}.`,
  });
}
