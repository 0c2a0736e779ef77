// The shapes of the server's answers (src/pneumoscope/clinic/api/views.py and its neighbours).

export type Role = "clinician" | "reviewer" | "administrator" | "service";

export interface SignedIn {
  name: string;
  role: Role;
  csrf: string | null;
}

export interface Account {
  name: string;
  role: Role;
  has_password: boolean;
  second_factor: boolean;
  recovery_codes: number;
  sessions: Session[];
}

/** What an authenticator app is told: as text, and as a picture (SVG). */
export interface Secret {
  secret: string;
  address: string;
  picture: string;
}

export interface Session {
  id: string;
  opened: string;
  last_seen: string;
  address: string | null;
  agent: string | null;
  current: boolean;
}

export interface Quality {
  code: string;
  severity: string;
  message: string;
}

export type Finding = "pneumonia" | "uncertain" | "normal";

export interface Reading {
  status: "read" | "flagged" | "rejected" | "failed";
  finding: Finding | null;
  operating_point: string;
  findings: Record<string, Finding>;
  probability: number | null;
  reasons: string[];
  quality: Quality[];
  view: string | null;
  laterality: string | null;
  has_heatmap: boolean;
  bundle: string;
  created: string;
}

export interface Image {
  id: string;
  study: string;
  name: string;
  media_type: string;
  size: number;
  received: string;
  state: "waiting" | "done";
  withheld: boolean;
  reading: Reading | null;
}

export interface Patient {
  id: string | null;
  name: string | null;
  birth_date: string | null;
  sex: string | null;
}

export type StudyStatus = "new" | "read" | "reviewed";

export interface Study {
  id: string;
  site: string;
  accession: string | null;
  patient: Patient;
  acquired: string | null;
  received: string;
  status: StudyStatus;
  probability: number | null;
  withheld: boolean;
  images: Image[];
}

export interface StudyPage {
  studies: Study[];
  next: string | null;
}

export interface Search {
  status: StudyStatus | null;
  rejected: boolean;
  disputed: boolean;
  text: string | null;
}

export interface Refused {
  name: string;
  place: number;
  reason: string;
}

export interface Accepted {
  job: string;
  images: Image[];
  refused: Refused[];
}

export interface ImagePage {
  images: Image[];
  next: string | null;
}

export interface Highlights {
  png: string | null;
  low: number | null;
  high: number | null;
}

export interface Figure {
  value: number | null;
  low: number | null;
  high: number | null;
}

export interface OperatingPoint {
  name: string;
  rule: string;
  threshold: number;
  low: number;
  high: number;
  figures: Record<string, Figure>;
  measured_on: string;
}

export interface Model {
  bundle: string;
  name: string;
  notice: string | null;
  intended_use: string;
  limitations: string[];
  population: string;
  operating_point: OperatingPoint;
}

export type Answer = "agree" | "disagree" | "uncertain";
export type Truth = "NORMAL" | "PNEUMONIA";

export const REASONS = [
  "opacity missed",
  "other disease",
  "artefact",
  "poor image",
  "clinical picture",
  "other",
] as const;
export type Reason = (typeof REASONS)[number];

export interface Opinion {
  answer: Answer;
  truth: Truth | null;
  reason: Reason | null;
  text: string | null;
}

export interface Judgement extends Opinion {
  user: string;
  name: string;
  version: number;
  created: string;
}

export interface User {
  id: string;
  name: string;
  role: Role;
  active: boolean;
  created: string;
  has_password: boolean;
  second_factor: boolean;
}

export interface PasswordLink {
  token: string;
  expires: string;
}

export interface Token {
  id: string;
  name: string;
  expires: string | null;
  revoked: string | null;
  token: string | null;
}

export interface Site {
  id: string;
  name: string;
  displayed: boolean;
}
