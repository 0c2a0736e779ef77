// The worklist: studies by urgency, with filters, search, live updates and keyboard shortcuts.

import { useCallback, useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import { watchWorklist } from "../api/live-updates.ts";
import type { Study, StudyPage } from "../api/schema.d.ts";
import { ROUTES, studyPath } from "../routes.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { useKeys } from "../shell/keyboard.tsx";
import { navigate } from "../shell/router.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import { useRequest } from "../shell/use-request.ts";
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

const COLUMNS = [
  "Pneumonia",
  "Patient",
  "Age",
  "Study date",
  "Images",
  "Accession number",
  "Site",
  "Remarks",
  "Received",
  "Status",
];
const PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200; // of the server

function searchStudies(filter: Filter, cursor: string | null, limit: number): Promise<StudyPage> {
  const body = { ...filter, cursor, limit };
  return unwrap(api.POST("/v1/studies/search", { body }));
}

export function Worklist() {
  const [filter, setFilter] = useState(lastFilter());
  const [page, setPage] = useState<StudyPage>();
  const [error, setError] = useState("");
  const { value: sites = [] } = useRequest(() => unwrap(api.GET("/v1/sites")));
  const list = useRef<HTMLTableElement>(null);
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
      setPage({ ...nextPage, studies });
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
    const links = [...(list.current?.querySelectorAll<HTMLAnchorElement>(".study a") ?? [])];
    const index = links.indexOf(document.activeElement as HTMLAnchorElement);
    links[index < 0 ? 0 : Math.min(links.length - 1, Math.max(0, index + step))]?.focus();
  }

  const columns = COLUMNS.filter((name) => name !== "Site" || sites.length > 1);
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
      <Filters filter={filter} sites={sites} change={setFilter} />
      <ErrorMessage error={error} />
      <table ref={list}>
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        {groupsOf(page).map(([name, explanation, studies]) => (
          <tbody key={name}>
            {name && (
              <tr className="group">
                <th scope="rowgroup" colSpan={columns.length}>
                  {name} <small>{explanation}</small>
                </th>
              </tr>
            )}
            {studies.map((study) => (
              <Row key={study.id} study={study} showSite={sites.length > 1} />
            ))}
          </tbody>
        ))}
      </table>
      {page?.studies.length === 0 && (
        <EmptyList filter={filter} showAll={() => setFilter({ ...filter, status: null })} />
      )}
      <p className="foot" aria-live="polite">
        {page && `${page.next ? "The first " : ""}${countOf(page)}, ${page.order}`}
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

type Group = [name: string, explanation: string, studies: Study[]];

/** The studies that need a look, which come first, and the others; one group needs no name. */
function groupsOf(page: StudyPage | undefined): Group[] {
  const { studies = [], order = "" } = page ?? {};
  const look = studies.filter(({ needs_look }) => needs_look);
  const others = studies.filter(({ needs_look }) => !needs_look);
  if (look.length === 0) {
    return [["", "", others]];
  }
  const explanation = "The software could not read an image, or nobody knows whose it is.";
  const groups: Group[] = [
    ["Needs a look", explanation, look],
    ["Other studies", order, others],
  ];
  return groups.filter(([, , studies]) => studies.length > 0);
}

interface EmptyListProps {
  filter: Filter;
  showAll: () => void;
}

function EmptyList({ filter, showAll }: EmptyListProps) {
  const isUnfiltered = JSON.stringify(filter) === JSON.stringify(NO_FILTER);
  return (
    <p className="empty">
      {isUnfiltered
        ? "No studies await review. Upload radiographs, or let a device send them."
        : "No matching studies. Change the search or the filters."}
      {filter.status !== null && (
        <button type="button" onClick={showAll}>
          Look in all studies
        </button>
      )}
    </p>
  );
}
