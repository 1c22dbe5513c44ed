import { expect, test } from "vitest";
import { requireRoom } from "../../../src/images/room.ts";

const claims = [
  { path: "/cache", bytes: 1e9 },
  { path: "/tmp", bytes: 600e6 },
];

test("requireRoom() adds up claims on the same file system and tells both figures", async () => {
  const volumeOf = async () => ({ id: 1, freeBytes: 1.5e9 });
  await expect(requireRoom("debian:12", claims, volumeOf)).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "cannot pull 'debian:12': needs 1.60 GB free under '/cache', has 1.50 GB",
    details: { neededBytes: 1.6e9, freeBytes: 1.5e9 },
  });
});

test("requireRoom() is content when each of two file systems has room for its own claim", async () => {
  const volumeOf = async (path: string) => ({ id: path === "/tmp" ? 1 : 2, freeBytes: 1e9 });
  await expect(requireRoom("debian:12", claims, volumeOf)).resolves.toBeUndefined();
});
