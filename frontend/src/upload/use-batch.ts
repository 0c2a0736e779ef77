// A batch of files on its way: sent in parts, then followed until all of them are read.

import { useCallback, useEffect, useRef, useState } from "react";
import * as clinic from "../api/clinic.ts";
import type { Image } from "../api/types.ts";
import { outcomes, parts } from "./parts.ts";
import { type Described, send } from "./send.ts";

export interface Item {
  key: string;
  name: string;
  size: number;
  sent: number;
  refused?: string;
  image?: Image;
}

const LOOK_EVERY = 1_000;

async function imagesOf(job: string): Promise<Image[]> {
  const images: Image[] = [];
  for (let after: string | null = ""; after !== null; ) {
    const page: { images: Image[]; next: string | null } = await clinic.jobImages(job, after);
    images.push(...page.images);
    after = page.next;
  }
  return images;
}

export function useBatch() {
  const [items, setItems] = useState<Item[]>([]);
  const jobs = useRef(new Set<string>());

  const change = useCallback((key: string, what: Partial<Item>) => {
    setItems((all) => all.map((one) => (one.key === key ? { ...one, ...what } : one)));
  }, []);

  const add = useCallback(
    async (files: File[], described: Described, site: string) => {
      const batch = crypto.randomUUID();
      const named = files.map((file, n) => ({
        file,
        name: file.name,
        size: file.size,
        key: `${batch}-${n}`,
      }));
      setItems((all) => [...named.map(({ file: _, ...one }) => ({ ...one, sent: 0 })), ...all]);
      for (const part of parts(named)) {
        try {
          const answer = await send(
            part.map((one) => one.file),
            described,
            site,
            part[0]?.key ?? batch,
            (share) => {
              for (const one of part) {
                change(one.key, { sent: share });
              }
            },
          );
          const found = outcomes(part.length, answer);
          part.forEach((one, n) => {
            change(one.key, { sent: 1, ...found[n] });
          });
          if (answer.job !== null) {
            jobs.current.add(answer.job);
          }
        } catch (problem) {
          for (const one of part) {
            change(one.key, { refused: (problem as Error).message });
          }
        }
      }
    },
    [change],
  );

  useEffect(() => {
    const timer = setInterval(async () => {
      for (const job of jobs.current) {
        const images = await imagesOf(job).catch(() => []);
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
    }, LOOK_EVERY);
    return () => clearInterval(timer);
  }, []);

  return { items, add };
}
