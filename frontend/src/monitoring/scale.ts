// Where things stand in a plot.

export interface Point {
  value: number | null;
  low?: number | null;
  high?: number | null;
}

/** The top of an axis that begins at 0: the least of 1, 2, 5, 10, ... that is not below `most`. */
export function topOf(most: number): number {
  if (!(most > 0)) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 5].find((one) => one * power >= most) ?? 10;
  return Number((step * power).toPrecision(1));
}

/** A line through the places that are known, with a gap where one is not. */
export function path(places: ([number, number] | null)[]): string {
  let drawing = false;
  return places
    .map((place) => {
      const command = place && `${drawing ? "L" : "M"}${place.map((one) => one.toFixed(1))}`;
      drawing = place !== null;
      return command;
    })
    .filter(Boolean)
    .join("");
}
