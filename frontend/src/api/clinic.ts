// The server's routes, one function each. What names a patient goes in a body, never in an address.

import { allAnswered, json, request } from "./http.ts";
import type {
  Account,
  Highlights,
  ImagePage,
  Judgement,
  Model,
  Opinion,
  PasswordLink,
  Role,
  Search,
  Secret,
  SignedIn,
  Site,
  Study,
  StudyPage,
  Token,
  User,
} from "./types.ts";

export const whoIsSignedIn = () => json<SignedIn>("GET", "/v1/session");
export const singleSignOn = () => json<{ offered: boolean }>("GET", "/v1/oidc");
export const signIn = (name: string, password: string, code: string | null) =>
  json<SignedIn>("POST", "/v1/session", { name, password, code });
export const signOut = async () => {
  await allAnswered(); // what still comes would be told that nobody is signed in
  await request("DELETE", "/v1/session");
};
export const setUp = (token: string, name: string, password: string) =>
  json<SignedIn>("POST", "/v1/setup", { token, name, password });
export const choosePassword = (token: string, password: string) =>
  request("POST", "/v1/password", { token, password });

export const account = () => json<Account>("GET", "/v1/account");
/** Choose another password; an old one that is wrong is a problem. */
export const changePassword = (old: string, password: string) =>
  request("PUT", "/v1/account/password", { old, new: password });
export const beginSecondFactor = (password: string) =>
  json<Secret>("POST", "/v1/account/second-factor", { password });
export const confirmSecondFactor = (code: string) =>
  json<{ recovery_codes: string[] }>("PUT", "/v1/account/second-factor", { code });
export const endSecondFactor = (password: string, code: string) =>
  request("POST", "/v1/account/second-factor/end", { password, code });
/** End a session, or all others if none is named; with the password, if the account has one. */
export const endSessions = (session: string | null, password: string | null) =>
  request("POST", "/v1/account/sessions/end", { session, password });

export const searchStudies = (search: Search, cursor: string | null, limit: number) =>
  json<StudyPage>("POST", "/v1/studies/search", { ...search, cursor, limit });
export const study = (id: string) => json<Study>("GET", `/v1/studies/${id}`);
/** The patient's other studies at the same site, the newest first; none of an unknown patient. */
export const priors = (study: string) => json<Study[]>("GET", `/v1/studies/${study}/priors`);
export const jobImages = (job: string, after: string) =>
  json<ImagePage>("GET", `/v1/jobs/${job}/images?limit=200&after=${after}`);
export const model = () => json<Model>("GET", "/v1/model");

export const highlights = (image: string) =>
  json<Highlights>("GET", `/v1/images/${image}/highlights`);
export const pixels = async (image: string) =>
  (await request("GET", `/v1/images/${image}/pixels`)).arrayBuffer();

export const judgements = (image: string) =>
  json<Judgement[]>("GET", `/v1/images/${image}/judgements`);
export const judge = (image: string, opinion: Opinion) =>
  json<Judgement>("POST", `/v1/images/${image}/judgements`, opinion);

export const users = () => json<User[]>("GET", "/v1/users");
export const makeUser = (name: string, role: Role) =>
  json<User>("POST", "/v1/users", { name, role });
export const changeUser = (id: string, change: { role?: Role; active?: boolean }) =>
  json<User>("PATCH", `/v1/users/${id}`, change);
export const makePasswordLink = (id: string) =>
  json<PasswordLink>("POST", `/v1/users/${id}/password-link`);
export const resetSecondFactor = (id: string) => request("DELETE", `/v1/users/${id}/second-factor`);
export const tokens = (user: string) => json<Token[]>("GET", `/v1/users/${user}/tokens`);
export const issueToken = (user: string, name: string, days: number) =>
  json<Token>("POST", `/v1/users/${user}/tokens`, { name, days });
export const revokeToken = (id: string) => request("DELETE", `/v1/tokens/${id}`);
export const sites = () => json<Site[]>("GET", "/v1/sites");
export const makeSite = (name: string) => json<Site>("POST", "/v1/sites", { name });
export const displaySite = (id: string, displayed: boolean) =>
  json<Site>("PATCH", `/v1/sites/${id}`, { displayed });
