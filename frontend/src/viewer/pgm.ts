// Grey values as the server gives them: a portable grey map (Netpbm, pgm(5)) of 8 or 16 bits, whose
// comment `window LOW HIGH` says how the file wants to be seen first.

export interface GreyMap {
  width: number;
  height: number;
  values: Uint8Array | Uint16Array;
  low: number;
  high: number;
}

const HEADER = /^P5\n# window (\S+) (\S+)\n(\d+) (\d+)\n(\d+)\n/;
const LONGEST_HEADER = 200;

export function parseGreyMap(content: ArrayBuffer): GreyMap {
  const beginning = new Uint8Array(content, 0, Math.min(LONGEST_HEADER, content.byteLength));
  const header = HEADER.exec(String.fromCharCode(...beginning));
  if (header === null) {
    throw new Error("the server sent no grey values");
  }
  const [low, high, width, height, most] = header.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const at = header[0].length;
  const count = width * height;
  if (content.byteLength !== at + count * (most > 255 ? 2 : 1)) {
    throw new Error("the radiograph did not arrive whole; load the page again");
  }
  if (most <= 255) {
    return { width, height, low, high, values: new Uint8Array(content, at, count) };
  }
  const values = new Uint16Array(count);
  const view = new DataView(content, at);
  for (let place = 0; place < count; place += 1) {
    values[place] = view.getUint16(2 * place); // the most significant byte first
  }
  return { width, height, low, high, values };
}
