// Addresses of the pages, declared once: for the router, for links and for the browser tests. The
// server sends the page at each of them (src/pneumoscope/clinic/api/routes/web_page.py).

export const ROUTES = {
  worklist: "/",
  study: "/studies/{study_id}",
  upload: "/upload",
  monitoring: "/monitoring",
  account: "/account",
  administration: "/administration",
  firstStart: "/setup",
  choosePassword: "/password",
} as const;

export type PageName = keyof typeof ROUTES;

/** Random identifiers, which say nothing about a patient. */
const STUDY = /^\/studies\/([0-9a-f]{32})$/;

/** Return the address of a study. */
export function studyPath(id: string): string {
  return ROUTES.study.replace("{study_id}", id);
}

/** Return the identifier of the study at an address, if it is the address of a study. */
export function studyAt(path: string): string | undefined {
  return STUDY.exec(path)?.[1];
}

/** Return the page at an address; undefined if there is none. */
export function pageAt(path: string): PageName | undefined {
  if (studyAt(path) !== undefined) {
    return "study";
  }
  const pages = Object.keys(ROUTES) as PageName[];
  return pages.find((page) => page !== "study" && ROUTES[page] === path);
}
