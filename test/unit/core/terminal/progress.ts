/** Progress as programs write it to a terminal. */

export interface ProgressLog {
  readonly output: string;
  /** Lines that stay */
  readonly ends: readonly string[];
}

const bar = (part: number, full: string, empty: string, width = 40) => {
  const filled = Math.round(part * width);
  return full.repeat(filled) + empty.repeat(width - filled);
};

/** Frames of a bar until an output has about this many bytes. */
function frames(bytes: number, frame: (part: number) => string): string {
  const count = Math.ceil(bytes / Buffer.byteLength(frame(0.01))) + 1;
  return Array.from({ length: count }, (_, index) => frame((index + 1) / count)).join("");
}

export function pipInstall(bytes: number): ProgressLog {
  const packages = ["numpy-2.1.0", "pandas-2.2.3", "six-1.16.0"];
  const ends = ["Successfully installed numpy-2.1.0 pandas-2.2.3 six-1.16.0"];
  const parts = packages.map((name) => {
    const frame = (part: number) =>
      `\r\x1b[2K     \x1b[38;2;114;156;31m${bar(part, "━", " ")}\x1b[0m \x1b[32m${(part * 9.9).toFixed(1)}/9.9 MB\x1b[0m \x1b[31m11.2 MB/s\x1b[0m eta \x1b[36m0:00:01\x1b[0m`;
    ends.push(`Collecting ${name}`);
    return `Collecting ${name}\n  Downloading ${name}-cp312-manylinux.whl (9.9 MB)\n\x1b[?25l${frames(bytes / packages.length, frame)}\x1b[?25h\n`;
  });
  return { output: `${parts.join("")}${ends[0]}\n`, ends: [...ends, "9.9/9.9 MB 11.2 MB/s"] };
}

export function npmInstall(bytes: number): ProgressLog {
  const spinner = [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"];
  let turn = 0;
  const frame = () => {
    turn += 1;
    return `\x1b[1G\x1b[0K${spinner[turn % spinner.length]} reify:lodash: timing reifyNode:node_modules/x${turn}`;
  };
  const end = "added 312 packages, and audited 313 packages in 12s";
  return { output: `${frames(bytes, frame)}\x1b[1G\x1b[0K\n${end}\n\nfound 0 vulnerabilities\n`, ends: [end] };
}

export function cargoBuild(bytes: number): ProgressLog {
  const crates = ["libc v0.2.155", "serde v1.0.203", "demo v0.1.0 (/workspace)"];
  const parts = crates.map((crate) => {
    const frame = (part: number) =>
      `\x1b[1m\x1b[36m    Building\x1b[0m [${bar(part, "=", " ", 25)}] ${Math.round(part * 80)}/80: ${crate.split(" ")[0]}\x1b[K\r`;
    return `\x1b[K\x1b[1m\x1b[32m   Compiling\x1b[0m ${crate}\n${frames(bytes / crates.length, frame)}`;
  });
  const end = "    Finished `dev` profile in 3.21s";
  return { output: `${parts.join("")}\x1b[K${end}\n`, ends: [...crates.map((crate) => `   Compiling ${crate}`), end] };
}

/** Several bars at once, between which the cursor goes up and down. */
export function dockerPull(bytes: number): ProgressLog {
  const layers = ["a480a496ba95", "c7c72808bf77", "0d2f3a5b6c1e", "f1f2f3f4f5f6"];
  let output = `12: Pulling from library/debian\n${layers.map((layer) => `${layer}: Pulling fs layer\n`).join("")}`;
  for (let round = 0; Buffer.byteLength(output) < bytes; round += 1) {
    const index = round % layers.length;
    const up = layers.length - index;
    output += `\x1b[${up}A\x1b[2K\r${layers[index]}: Downloading [${bar((round % 50) / 50, "=", " ")}]\r\x1b[${up}B`;
  }
  for (const [index, layer] of layers.entries()) {
    const up = layers.length - index;
    output += `\x1b[${up}A\x1b[2K\r${layer}: Pull complete\r\x1b[${up}B`;
  }
  const end = "Status: Downloaded newer image for debian:12";
  return { output: `${output}${end}\n`, ends: [...layers.map((layer) => `\n${layer}: Pull complete\n`), end] };
}
