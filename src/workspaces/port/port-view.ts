import * as z from "zod";
import { type PublishedPort, publishedPortSchema } from "../record/port.ts";

/** A published port as results have it. */
export const publishedView = publishedPortSchema.extend({ host: z.string(), protocol: z.enum(["tcp"]) });
type PublishedView = z.output<typeof publishedView>;

export function publishedViewOf({ guestPort, hostPort }: PublishedPort): PublishedView {
  return { guestPort, hostPort, host: "127.0.0.1", protocol: "tcp" };
}

export function publishedInWords({ host, hostPort, guestPort, protocol }: PublishedView): string {
  return `${host}:${hostPort}->${guestPort}/${protocol}`;
}
