import { test } from "vitest";
import { describeWithVm } from "../helpers/vm.ts";
import { Ordeal, stepsPerRound } from "./ordeal.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";
import { World } from "./world.ts";

const steps = sizeFromEnvironment("CHAOS_STEPS", 12);
/** The test goes on until so many processes have been killed */
const kills = sizeFromEnvironment("CHAOS_KILLS", 0);

describeWithVm("whatever is killed", () => {
  test(
    "a workspace keeps what it has acknowledged",
    async () => {
      const random = new Random(chosenSeed("kill"));
      await using world = await World.create();
      const ordeal = await Ordeal.begin(world, random, steps);
      try {
        for (let done = 0; done < steps || ordeal.killCount < kills; done += stepsPerRound) {
          await ordeal.round();
          await ordeal.verify();
          await ordeal.turn();
          await ordeal.verify();
        }
        await ordeal.delete();
        await world.expectNothingLeft({ groups: ordeal.groups, wereBootsKilled: true });
      } catch (error) {
        throw new Error(`with CHAOS_SEED=${random.seed} CHAOS_STEPS=${steps} CHAOS_KILLS=${kills}`, { cause: error });
      } finally {
        console.log(`${ordeal.killCount} kills: ${JSON.stringify(ordeal.counts)}`);
      }
    },
    60_000 + steps * 15_000 + kills * 15_000,
  );
});
