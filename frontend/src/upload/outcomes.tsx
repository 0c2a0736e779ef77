import { memo } from "react";
import type { Reading } from "../api/schema.d.ts";
import { studyPath } from "../routes.ts";
import { findingClass, formatBytes, formatProbability, isRead } from "../shell/format.ts";
import { Link } from "../shell/router.tsx";
import type { Item } from "./use-upload.ts";

/** The uploaded files, each with its progress or its outcome. */
export function Outcomes({ items }: { items: Item[] }) {
  if (items.length === 0) {
    return null;
  }
  const refused = items.filter((item) => item.refused !== undefined).length;
  const accepted = items.filter((item) => item.image).length;
  const done = items.filter((item) => item.image?.state === "done").length;
  const unread = items.filter(({ image }) => image?.reading && !isRead(image.reading)).length;
  const files = items.length === 1 ? "1 file" : `${items.length} files`;
  return (
    <section aria-labelledby="outcomes">
      <h2 id="outcomes">Uploaded files</h2>
      <p aria-live="polite" className="tally">
        {files}: {accepted} accepted, {refused} refused, {done} done
        {unread > 0 && `, ${unread} of them not read`}
      </p>
      <ul className="outcomes">
        {items.map((item) => (
          <Line key={item.key} item={item} />
        ))}
      </ul>
    </section>
  );
}

/** Drawn again only when its item changes: there may be thousands. */
const Line = memo(({ item }: { item: Item }) => (
  <li>
    <span className="name">{item.path}</span>
    <span className="size">{formatBytes(item.size)}</span>
    <Outcome item={item} />
  </li>
));

function Outcome({ item: { image, alreadyHere, refused, sentShare, path } }: { item: Item }) {
  if (refused !== undefined) {
    return <span className="outcome refused">Refused: {refused}</span>;
  }
  if (image === undefined) {
    return (
      <span className="outcome">
        <progress max={1} value={sentShare} aria-label={`Upload progress of ${path}`} />
      </span>
    );
  }
  return (
    <span className="outcome">
      <span className={`finding ${classOf(image.reading)}`}>
        {alreadyHere && "the same image was here already: "}
        {resultOf(image)}
      </span>
      <Link href={studyPath(image.study)}>
        Open<span className="hidden"> {path}</span>
      </Link>
    </span>
  );
}

function resultOf({ state, withheld, reading }: NonNullable<Item["image"]>): string {
  if (state === "waiting") {
    return "accepted, waiting to be read";
  }
  if (withheld || reading === null) {
    return "accepted; its reading is hidden from you for now";
  }
  if (reading.probability === null) {
    return `not read: ${reading.reasons.join("; ")}`;
  }
  const flag = reading.status === "flagged" ? ", flagged" : "";
  return `${formatProbability(reading.probability)} ${reading.description}${flag}`;
}

function classOf(reading: Reading | null): string {
  return reading?.finding ? findingClass(reading.finding) : (reading?.status ?? "");
}
