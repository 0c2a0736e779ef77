// Grey values from the server: a portable grey map (Netpbm, pgm(5)) of 8 or 16 bits, whose comment
// `window LOW HIGH` is the window in which the image is shown at first.

export interface GreyMap {
  width: number;
  height: number;
  values: Uint8Array | Uint16Array;
  low: number;
  high: number;
}

const HEADER = /^P5\n# window (\S+) (\S+)\n(\d+) (\d+)\n(\d+)\n/;
const MAX_HEADER_BYTES = 200;

export function parseGreyMap(content: ArrayBuffer): GreyMap {
  const start = new Uint8Array(content, 0, Math.min(MAX_HEADER_BYTES, content.byteLength));
  const header = HEADER.exec(String.fromCharCode(...start));
  if (header === null) {
    throw new Error("the server sent no grey values; reload the page");
  }
  const [low, high, width, height, maxValue] = header.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const offset = header[0].length;
  const count = width * height;
  if (content.byteLength !== offset + count * (maxValue > 255 ? 2 : 1)) {
    throw new Error("the radiograph was not received completely; reload the page");
  }
  if (maxValue <= 255) {
    return { width, height, low, high, values: new Uint8Array(content, offset, count) };
  }
  const values = new Uint16Array(count);
  const view = new DataView(content, offset);
  for (let index = 0; index < count; index += 1) {
    values[index] = view.getUint16(2 * index); // big-endian
  }
  return { width, height, low, high, values };
}
