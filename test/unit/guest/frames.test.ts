import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, FrameDecoder, maxPayloadLength } from "../../../src/guest/frames.ts";

test("frames survive any way of cutting the stream", () => {
  const frames = fc.array(
    fc.record({ type: fc.integer({ min: 0, max: 255 }), payload: fc.uint8Array({ maxLength: 200 }) }),
  );
  fc.assert(
    fc.property(frames, fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (sent, lengths) => {
      const bytes = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
      const decoder = new FrameDecoder();
      const received: { type: number; payload: Uint8Array }[] = [];
      for (let start = 0; start < bytes.length; ) {
        const end = start + lengths.next().value;
        for (const { type, payload } of decoder.push(bytes.subarray(start, end)))
          received.push({ type, payload: new Uint8Array(payload) });
        start = end;
      }
      expect(received).toEqual(sent);
    }),
  );
});

test("a frame that announces more than the protocol allows is refused before it is kept", () => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(maxPayloadLength + 1, 1);
  expect(() => [...new FrameDecoder().push(header)]).toThrow(/more than the protocol allows/);
});
