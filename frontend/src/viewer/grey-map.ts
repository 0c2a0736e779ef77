// Grey values from the server: a portable grey map (Netpbm, pgm(5)) of 8 or 16 bits. Its comment
// `window LOW HIGH` is the window in which the image is shown at first; `display`, with JSON, says
// what the values are in the file, which windows the file has, and how large a pixel is.

/** The linear function from the grey values to the values that the file speaks of. */
export interface FileValues {
  slope: number;
  intercept: number;
  /** DICOM's VOI LUT Function (PS3.3, C.11.2.1.3), which says how a window's width is counted. */
  function: "LINEAR" | "LINEAR_EXACT" | "SIGMOID";
}

export interface FileWindow {
  low: number;
  high: number;
  explanation: string;
}

export interface PixelSize {
  height: number;
  width: number;
  /** What lengths mean: millimetres, or none; see `pneumoscope.radiograph.pixel_geometry`. */
  scale: "calibrated" | "stated" | "detector" | "film" | "none";
}

export interface Display {
  /** Null where the grey values are not those of the file, such as after a VOI LUT. */
  file_values: FileValues | null;
  windows: FileWindow[];
  pixel: PixelSize;
}

export interface GreyMap {
  width: number;
  height: number;
  values: Uint8Array | Uint16Array;
  low: number;
  high: number;
  display: Display;
}

const HEADER = /^P5\n# window (\S+) (\S+)\n# display (.+)\n(\d+) (\d+)\n(\d+)\n/;
const MAX_HEADER_BYTES = 16_384;

export function parseGreyMap(content: ArrayBuffer): GreyMap {
  const start = new Uint8Array(content, 0, Math.min(MAX_HEADER_BYTES, content.byteLength));
  const header = HEADER.exec(String.fromCharCode(...start));
  if (header === null) {
    throw new Error("the server sent no grey values; reload the page");
  }
  const display = JSON.parse(header[3] as string) as Display;
  const [low, high, width, height, maxValue] = [1, 2, 4, 5, 6].map((group) =>
    Number(header[group]),
  ) as [number, number, number, number, number];
  const offset = header[0].length;
  const count = width * height;
  if (content.byteLength !== offset + count * (maxValue > 255 ? 2 : 1)) {
    throw new Error("the radiograph was not received completely; reload the page");
  }
  if (maxValue <= 255) {
    const values = new Uint8Array(content, offset, count);
    return { width, height, low, high, display, values };
  }
  const values = new Uint16Array(count);
  const view = new DataView(content, offset);
  for (let index = 0; index < count; index += 1) {
    values[index] = view.getUint16(2 * index); // big-endian
  }
  return { width, height, low, high, display, values };
}
