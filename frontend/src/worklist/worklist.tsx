// The worklist: studies by urgency, filtered, searched, live, at the keyboard.

import { useCallback, useEffect, useRef, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { watchWorklist } from "../api/live.ts";
import type { Search, StudyPage } from "../api/types.ts";
import { useKeys } from "../shell/keys.tsx";
import { go } from "../shell/router.tsx";
import { usePage } from "../shell/use-page.ts";
import { Filters } from "./filters.tsx";
import { EVERYTHING, lastOpened, lastSearch, rememberOrder, rememberSearch } from "./memory.ts";
import { Row } from "./row.tsx";

const PAGE = 50;
const MOST = 200; // that the server gives at once

export function Worklist() {
  const [search, setSearch] = useState(lastSearch());
  const [page, setPage] = useState<StudyPage>();
  const [error, setError] = useState("");
  const list = useRef<HTMLTableSectionElement>(null);
  const shown = useRef(PAGE);
  const latest = useRef(0);
  const returning = useRef(true); // to where one has come from
  usePage("Worklist");

  const load = useCallback(async () => {
    latest.current += 1;
    const turn = latest.current;
    try {
      const limit = Math.min(MOST, Math.max(PAGE, shown.current));
      const found = await clinic.searchStudies(search, null, limit);
      if (turn === latest.current) {
        setPage(found);
        setError("");
      }
    } catch (problem) {
      setError((problem as Error).message);
    }
  }, [search]);

  useEffect(() => {
    rememberSearch(search);
    shown.current = PAGE;
    void load();
    // Beyond what one request gives, a list that is being scrolled stays as it is.
    const forget = watchWorklist(() => shown.current <= MOST && void load());
    return () => {
      latest.current += 1;
      forget();
    };
  }, [search, load]);

  async function more() {
    if (!page?.next) {
      return;
    }
    try {
      const following = await clinic.searchStudies(search, page.next, PAGE);
      const known = new Set(page.studies.map((one) => one.id));
      const studies = [...page.studies, ...following.studies.filter((one) => !known.has(one.id))];
      shown.current = studies.length;
      setPage({ studies, next: following.next });
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  useEffect(() => {
    if (page !== undefined && returning.current) {
      returning.current = false;
      list.current?.querySelector<HTMLElement>(`a[href="/studies/${lastOpened()}"]`)?.focus();
    }
  }, [page]);

  useEffect(() => rememberOrder(page?.studies.map((one) => one.id) ?? []), [page]);

  function move(step: number) {
    const links = [...(list.current?.querySelectorAll("a") ?? [])];
    const at = links.indexOf(document.activeElement as HTMLAnchorElement);
    links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
  }

  useKeys("Worklist", [
    { keys: ["j", "ArrowDown"], does: "next study", action: () => move(1) },
    { keys: ["k", "ArrowUp"], does: "study before", action: () => move(-1) },
    {
      keys: ["Enter"],
      does: "open the study",
      action: () => (document.activeElement as HTMLElement).click(),
    },
    { keys: ["m"], does: "show more studies", action: () => void more() },
    { keys: ["u"], does: "upload", action: () => go("/upload") },
  ]);

  return (
    <main id="main" tabIndex={-1} className="worklist">
      <h1>Worklist</h1>
      <Filters search={search} change={setSearch} />
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
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
      {page?.studies.length === 0 && <Empty search={search} />}
      <p className="foot" aria-live="polite">
        {page && `${page.next ? "The first " : ""}${counted(page)}, most urgent first`}
        {page?.next && (
          <button type="button" onClick={() => void more()}>
            Show more
          </button>
        )}
      </p>
    </main>
  );
}

function counted({ studies }: StudyPage): string {
  return studies.length === 1 ? "1 study" : `${studies.length} studies`;
}

function Empty({ search }: { search: Search }) {
  const all = JSON.stringify(search) === JSON.stringify(EVERYTHING);
  return (
    <p className="empty">
      {all ? "No studies yet. Upload radiographs, or have a device send them." : "No such studies."}
    </p>
  );
}
