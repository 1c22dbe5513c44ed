/** Hosts that an ecosystem's tools need to install packages. */
export interface Preset {
  readonly name: string;
  readonly description: string;
  /** Rules as `--allow-host` takes them */
  readonly rules: readonly string[];
}

/** The preset that stands for what is allowed without rules */
export const publicPreset = "public";

export const presets: readonly Preset[] = [
  {
    name: publicPreset,
    description: "The public internet on ports 80, 443, 22 and 9418, as without rules",
    rules: [],
  },
  { name: "npm", description: "npm packages (npm, pnpm, yarn)", rules: ["registry.npmjs.org", "registry.yarnpkg.com"] },
  { name: "pypi", description: "Python packages (pip, uv, poetry)", rules: ["pypi.org", "files.pythonhosted.org"] },
  {
    name: "crates",
    description: "Rust crates (cargo)",
    rules: ["index.crates.io", "static.crates.io", "crates.io"],
  },
  { name: "go", description: "Go modules", rules: ["proxy.golang.org", "sum.golang.org"] },
  {
    name: "debian",
    description: "Debian packages (apt)",
    rules: ["deb.debian.org", "security.debian.org"],
  },
  {
    name: "github",
    description: "Git and downloads from GitHub, by HTTPS and SSH",
    rules: [
      "github.com:443",
      "github.com:22",
      "ssh.github.com:443",
      "api.github.com:443",
      "codeload.github.com:443",
      "*.githubusercontent.com:443",
    ],
  },
  {
    name: "maven",
    description: "Java packages of Maven Central (maven, gradle)",
    rules: ["repo.maven.apache.org:443", "repo1.maven.org:443"],
  },
  { name: "rubygems", description: "Ruby gems", rules: ["rubygems.org:443", "index.rubygems.org:443"] },
];
