// Other studies of the same patient.

import * as clinic from "../api/clinic.ts";
import type { Study } from "../api/types.ts";

const MOST = 50;

/** The patient's other studies at the same site, the latest first; none of an unknown patient. */
export async function priorsOf(study: Study): Promise<Study[]> {
  const id = study.patient.id;
  if (id === null) {
    return [];
  }
  const search = { status: null, rejected: false, disputed: false, text: id };
  const { studies } = await clinic.searchStudies(search, null, MOST);
  return studies
    .filter((one) => one.id !== study.id && one.patient.id === id && one.site === study.site)
    .sort((a, b) => taken(b).localeCompare(taken(a)));
}

/** When a study was made, or came if its files do not say. */
export function taken(study: Study): string {
  return study.acquired ?? study.received;
}
