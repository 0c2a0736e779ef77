// Scales and lines of plots.

/** Return the end of an axis that begins at 0: the smallest of 1, 2, 5, 10, ... not below `maximum`. */
export function axisTop(maximum: number): number {
  if (!(maximum > 0)) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(maximum));
  const step = [1, 2, 5].find((candidate) => candidate * power >= maximum) ?? 10;
  return Number((step * power).toPrecision(1));
}

/** Return the SVG path of a line through points, with gaps where points are missing. */
export function linePath(points: ([number, number] | null)[]): string {
  let drawing = false;
  return points
    .map((point) => {
      const coordinates = point?.map((coordinate) => coordinate.toFixed(1)).join();
      const command = point && `${drawing ? "L" : "M"}${coordinates}`;
      drawing = point !== null;
      return command;
    })
    .filter(Boolean)
    .join("");
}
