// A batch of files on its way: sent in parts, then followed until all of them are read.

import { useCallback, useEffect, useRef, useState } from "react";
import * as clinic from "../api/clinic.ts";
import type { Image } from "../api/types.ts";
import type { Found } from "./found.ts";
import { outcomes, parts, shares } from "./parts.ts";
import { type Described, send } from "./send.ts";

export interface Item {
  key: string;
  path: string;
  size: number;
  sent: number;
  refused?: string;
  image?: Image;
}

interface Sendable extends Item {
  file: File;
}

type Changes = Map<string, Partial<Item>>;

const LOOK_EVERY = 1_000;
const LOOK_AT = 5; // jobs at a time, the oldest: they are read in their order

async function imagesOf(job: string): Promise<Image[]> {
  const images: Image[] = [];
  for (let after: string | null = ""; after !== null; ) {
    const page: { images: Image[]; next: string | null } = await clinic.jobImages(job, after);
    images.push(...page.images);
    after = page.next;
  }
  return images;
}

/** Send some files in one request; tell how far it has come, and what became of each. */
async function sendPart(
  part: Sendable[],
  described: Described,
  site: string,
  change: (changes: Changes) => void,
): Promise<string | null> {
  const tell = (of: Partial<Item>[]) =>
    change(new Map(part.map((one, place) => [one.key, of[place] ?? {}])));
  const sizes = part.map((one) => one.size);
  try {
    const files = part.map((one) => one.file);
    const answer = await send(files, described, site, part[0]?.key ?? "", (all) =>
      tell(shares(sizes, all).map((sent) => ({ sent }))),
    );
    tell(outcomes(part.length, answer));
    return answer.job;
  } catch (problem) {
    tell(part.map(() => ({ refused: (problem as Error).message })));
    return null;
  }
}

export function useBatch() {
  const [items, setItems] = useState<Item[]>([]);
  const jobs = useRef(new Set<string>());

  const change = useCallback((changes: Changes) => {
    setItems((all) =>
      all.map((one) => (changes.has(one.key) ? { ...one, ...changes.get(one.key) } : one)),
    );
  }, []);

  const add = useCallback(
    async (found: Found[], described: Described, site: string) => {
      const batch = crypto.randomUUID();
      const named = found.map((one, place) => ({
        ...one,
        key: `${batch}-${place}`,
        size: "file" in one ? one.file.size : 0,
        sent: 0,
      }));
      setItems((all) => [...named, ...all]);
      for (const part of parts(named.filter((one) => "file" in one))) {
        const job = await sendPart(part, described, site, change);
        if (job !== null) {
          jobs.current.add(job);
        }
      }
    },
    [change],
  );

  useEffect(() => {
    let looking: ReturnType<typeof setTimeout>;
    let ended = false;
    // One request at a time, however many parts there are.
    async function look() {
      for (const job of [...jobs.current].slice(0, LOOK_AT)) {
        const images = ended ? [] : await imagesOf(job).catch(() => []);
        const by = new Map(images.map((one) => [one.id, one]));
        setItems((all) =>
          all.map((one) => {
            const image = one.image && by.get(one.image.id);
            return image ? { ...one, image } : one;
          }),
        );
        if (images.length > 0 && images.every((one) => one.state === "done")) {
          jobs.current.delete(job);
        }
      }
      if (!ended) {
        looking = setTimeout(look, LOOK_EVERY);
      }
    }
    void look();
    return () => {
      ended = true;
      clearTimeout(looking);
    };
  }, []);

  return { items, add };
}
