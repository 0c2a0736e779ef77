import { memo } from "react";
import { bytes, percent } from "../shell/format.ts";
import { Link } from "../shell/router.tsx";
import type { Item } from "./use-batch.ts";

export function Outcomes({ items }: { items: Item[] }) {
  if (items.length === 0) {
    return null;
  }
  const refused = items.filter((one) => one.refused !== undefined).length;
  const accepted = items.filter((one) => one.image).length;
  const done = items.filter((one) => one.image?.state === "done").length;
  const files = items.length === 1 ? "1 file" : `${items.length} files`;
  return (
    <section aria-labelledby="outcomes">
      <h2 id="outcomes">What became of them</h2>
      <p aria-live="polite" className="tally">
        {files}: {accepted} accepted, {refused} refused, {done} read
      </p>
      <ul className="outcomes">
        {items.map((item) => (
          <Line key={item.key} item={item} />
        ))}
      </ul>
    </section>
  );
}

/** Of thousands only those are drawn again that have changed. */
const Line = memo(({ item }: { item: Item }) => (
  <li>
    <span className="name">{item.path}</span>
    <span className="size">{bytes(item.size)}</span>
    <Outcome item={item} />
  </li>
));

function Outcome({ item: { image, refused, sent, path } }: { item: Item }) {
  if (refused !== undefined) {
    return <span className="result refused">Refused: {refused}</span>;
  }
  if (image === undefined) {
    return (
      <span className="result">
        <progress max={1} value={sent} aria-label={`Sent of ${path}`} />
      </span>
    );
  }
  return (
    <span className="result">
      <span className={`finding ${image.reading?.finding ?? image.reading?.status ?? ""}`}>
        {said(image)}
      </span>
      <Link href={`/studies/${image.study}`}>
        Open<span className="hidden"> {path}</span>
      </Link>
    </span>
  );
}

function said({ state, withheld, reading }: NonNullable<Item["image"]>): string {
  if (state === "waiting") {
    return "accepted, waits to be read";
  }
  if (withheld || reading === null) {
    return "accepted and read; readings of this site are hidden";
  }
  if (reading.probability === null) {
    return `${reading.status}: ${reading.reasons.join("; ")}`;
  }
  const doubt = reading.status === "flagged" ? ", flagged" : "";
  return `${percent(reading.probability)} ${reading.finding}${doubt}`;
}
