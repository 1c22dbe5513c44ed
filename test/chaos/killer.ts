import { setTimeout } from "node:timers/promises";
import type { Running } from "./clients.ts";
import type { FoundProcess } from "./processes.ts";
import type { Random } from "./random.ts";
import { signalTo, type World } from "./world.ts";

export interface Stage {
  readonly world: World;
  readonly random: Random;
  readonly workspaceId: string;
  /** Clients that wait for an answer now */
  readonly clients: ReadonlySet<Running>;
  /** Counts what is done */
  note(what: string): void;
}

/** Kills and pauses processes of one workspace and its clients. */
export class Killer {
  /** How many processes it has killed */
  count = 0;
  /** Groups of the guardians that it has seen */
  readonly groups = new Set<number>();
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Until the signal aborts, and at most so many times. */
  async killNowAndThen(signal: AbortSignal, most = 8): Promise<void> {
    const { random } = this.#stage;
    for (let killed = 0; killed < most; killed++) {
      await setTimeout(random.between(30, 700), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const victim = random.weighted({ client: 5, supervisor: 3, qemu: 3, guardian: 1, pause: 2 });
      if (victim === "client") {
        const running = [...this.#stage.clients];
        if (running.length === 0) continue;
        random.pick(running).kill();
        this.count += 1;
        this.#stage.note("kill:client");
      } else await this.#strike(victim);
    }
  }

  async #strike(victim: "supervisor" | "qemu" | "guardian" | "pause"): Promise<void> {
    const { random } = this.#stage;
    const processes = await this.#stage.world.processes();
    for (const { kind, group } of processes) if (kind === "guardian") this.groups.add(group);
    const kind = victim === "pause" ? random.pick(["supervisor", "qemu"] as const) : victim;
    const found = processes.find((candidate) => candidate.kind === kind);
    if (!found || !(await this.#isSafe(found))) return;
    this.#stage.note(`${victim}:${kind}`);
    if (victim !== "pause") {
      this.count += 1;
      return signalTo(found.pid, "SIGKILL");
    }
    signalTo(found.pid, "SIGSTOP");
    await setTimeout(random.between(100, 4_000));
    signalTo(found.pid, "SIGCONT");
  }

  /**
   * A guardian that ends before its supervisor has taken note of it would be mistaken for process
   * 1, and killed with its group.
   */
  async #isSafe({ kind, pid, startTicks }: FoundProcess): Promise<boolean> {
    if (kind !== "guardian") return true;
    const record = await this.#stage.world.record(this.#stage.workspaceId);
    const guardian = record?.["guardian"] as { pid: number; start_ticks: string } | null | undefined;
    return record?.["state"] === "started" && guardian?.pid === pid && guardian.start_ticks === startTicks;
  }
}
