import type { BuildPhase } from "../../../src/images/builder.ts";
import { catalogEntry } from "../../../src/images/catalog.ts";
import { installEnvironment } from "../../../src/images/install.ts";
import { fakeBuilder } from "./fake-builder.ts";

/**
 * A process of its own: pulls, and stands still in the given phase after saying so. Arguments:
 * environments, outside, phase.
 */
const [environmentsDir = "", outsideDir = "", fatalPhase = ""] = process.argv.slice(2);

await installEnvironment({
  store: { environmentsDir },
  entry: catalogEntry("debian:12"),
  builder: fakeBuilder({
    outsideDir,
    during: async (phase: BuildPhase) => {
      if (phase !== fatalPhase) return;
      console.log("standing still");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    },
  }),
});
