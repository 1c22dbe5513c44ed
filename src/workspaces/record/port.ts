import * as z from "zod";

export const portNumber = z.number().int().min(1).max(65_535);

/** A port of the guest that programs of this host reach by a port of its own. */
export const publishedPortSchema = z.object({ guestPort: portNumber, hostPort: portNumber });
export type PublishedPort = z.output<typeof publishedPortSchema>;
