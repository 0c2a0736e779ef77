// The worklist: studies by urgency, with filters, search, live updates and keyboard shortcuts.

import { useCallback, useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import { watchWorklist } from "../api/live-updates.ts";
import type { StudyPage } from "../api/schema.d.ts";
import { ROUTES, studyPath } from "../routes.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { useKeys } from "../shell/keyboard.tsx";
import { navigate } from "../shell/router.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import { Filters } from "./filters.tsx";
import {
  type Filter,
  lastFilter,
  lastOpened,
  NO_FILTER,
  rememberFilter,
  rememberOrder,
} from "./navigation.ts";
import { Row } from "./row.tsx";

const PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200; // of the server

function searchStudies(filter: Filter, cursor: string | null, limit: number): Promise<StudyPage> {
  return unwrap(api.POST("/v1/studies/search", { body: { ...filter, cursor, limit } }));
}

export function Worklist() {
  const [filter, setFilter] = useState(lastFilter());
  const [page, setPage] = useState<StudyPage>();
  const [error, setError] = useState("");
  const list = useRef<HTMLTableSectionElement>(null);
  const shownCount = useRef(PAGE_SIZE);
  const searchCount = useRef(0);
  const isFirstPage = useRef(true);
  usePageTitle("Worklist");

  const load = useCallback(async () => {
    searchCount.current += 1;
    const search = searchCount.current;
    try {
      const limit = Math.min(MAX_PAGE_SIZE, Math.max(PAGE_SIZE, shownCount.current));
      const loaded = await searchStudies(filter, null, limit);
      if (search === searchCount.current) {
        setPage(loaded);
        setError("");
      }
    } catch (problem) {
      setError((problem as Error).message);
    }
  }, [filter]);

  useEffect(() => {
    rememberFilter(filter);
    shownCount.current = PAGE_SIZE;
    void load();
    // A list longer than one request can return stays as it is while it is being scrolled.
    const unwatch = watchWorklist(() => shownCount.current <= MAX_PAGE_SIZE && void load());
    return () => {
      searchCount.current += 1;
      unwatch();
    };
  }, [filter, load]);

  async function showMore() {
    if (!page?.next) {
      return;
    }
    try {
      const nextPage = await searchStudies(filter, page.next, PAGE_SIZE);
      const shown = new Set(page.studies.map(({ id }) => id));
      const studies = [...page.studies, ...nextPage.studies.filter(({ id }) => !shown.has(id))];
      shownCount.current = studies.length;
      setPage({ studies, next: nextPage.next });
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  useEffect(() => {
    const opened = lastOpened();
    if (page !== undefined && isFirstPage.current) {
      isFirstPage.current = false;
      if (opened !== undefined) {
        list.current?.querySelector<HTMLElement>(`a[href="${studyPath(opened)}"]`)?.focus();
      }
    }
  }, [page]);

  useEffect(() => rememberOrder(page?.studies.map(({ id }) => id) ?? []), [page]);

  function moveFocus(step: number) {
    const links = [...(list.current?.querySelectorAll("a") ?? [])];
    const index = links.indexOf(document.activeElement as HTMLAnchorElement);
    links[index < 0 ? 0 : Math.min(links.length - 1, Math.max(0, index + step))]?.focus();
  }

  useKeys("Worklist", [
    { keys: ["j", "ArrowDown"], description: "next study", action: () => moveFocus(1) },
    { keys: ["k", "ArrowUp"], description: "previous study", action: () => moveFocus(-1) },
    {
      keys: ["Enter"],
      description: "open the study",
      action: () => (document.activeElement as HTMLElement).click(),
    },
    { keys: ["m"], description: "show more studies", action: () => void showMore() },
    { keys: ["u"], description: "upload", action: () => navigate(ROUTES.upload) },
  ]);

  return (
    <main id="main" tabIndex={-1} className="worklist">
      <h1>Worklist</h1>
      <Filters filter={filter} change={setFilter} />
      <ErrorMessage error={error} />
      <table>
        <thead>
          <tr>
            <th scope="col">Pneumonia</th>
            <th scope="col">Patient</th>
            <th scope="col">Accession</th>
            <th scope="col">Remarks</th>
            <th scope="col">Images</th>
            <th scope="col">Received</th>
            <th scope="col">Status</th>
          </tr>
        </thead>
        <tbody ref={list}>
          {page?.studies.map((study) => (
            <Row key={study.id} study={study} />
          ))}
        </tbody>
      </table>
      {page?.studies.length === 0 && <EmptyList filter={filter} />}
      <p className="foot" aria-live="polite">
        {page && `${page.next ? "The first " : ""}${countOf(page)}, most urgent first`}
        {page?.next && (
          <button type="button" onClick={() => void showMore()}>
            Show more
          </button>
        )}
      </p>
    </main>
  );
}

function countOf({ studies }: StudyPage): string {
  return studies.length === 1 ? "1 study" : `${studies.length} studies`;
}

function EmptyList({ filter }: { filter: Filter }) {
  const isUnfiltered = JSON.stringify(filter) === JSON.stringify(NO_FILTER);
  return (
    <p className="empty">
      {isUnfiltered
        ? "No studies yet. Upload radiographs, or let a device send them."
        : "No matching studies. Change the search or the filters."}
    </p>
  );
}
