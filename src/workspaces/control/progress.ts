/** How far an operation is that goes through a workspace's tree. */
export interface TreeProgress {
  readonly phase: "list" | "compare" | "export" | "push";
  readonly detail: string;
}

export type OnTreeProgress = ((progress: TreeProgress) => void) | undefined;

const intervalMs = 1_000;

/** The same items. Once a second it tells how many there have been, also while none comes. */
export async function* withProgress<T>(
  items: AsyncIterable<T>,
  phase: TreeProgress["phase"],
  onProgress: OnTreeProgress,
): AsyncGenerator<T> {
  let count = 0;
  const what = phase === "compare" ? "changes" : "entries";
  const tell = () => onProgress?.({ phase, detail: `${count.toLocaleString("en")} ${what} so far` });
  const timer = setInterval(tell, intervalMs);
  try {
    for await (const item of items) {
      count += 1;
      yield item;
    }
  } finally {
    clearInterval(timer);
  }
}
