// Who is signed in, and which page is shown.

import { lazy, type ReactNode, Suspense, useCallback, useEffect, useState } from "react";
import * as clinic from "./api/clinic.ts";
import { keepCsrf, Problem, whenSignedOut } from "./api/http.ts";
import { listen } from "./api/live.ts";
import type { SignedIn } from "./api/types.ts";
import { ChoosePassword } from "./entrance/choose-password.tsx";
import { SetUp } from "./entrance/set-up.tsx";
import { SignIn } from "./entrance/sign-in.tsx";
import { whenLeft } from "./shell/attention.ts";
import { Failure } from "./shell/failure.tsx";
import { Header } from "./shell/header.tsx";
import { go, Link, usePath } from "./shell/router.tsx";
import { Stale } from "./shell/stale.tsx";
import { draftsAreOf, forgetDrafts } from "./study/drafts.ts";
import { forgetWorklist } from "./worklist/memory.ts";
import { Worklist } from "./worklist/worklist.tsx";

const StudyPage = lazy(() => import("./study/study.tsx"));
const Upload = lazy(() => import("./upload/upload.tsx"));
const Monitoring = lazy(() => import("./monitoring/monitoring.tsx"));
const AccountPage = lazy(() => import("./account/account.tsx"));
const Administration = lazy(() => import("./administration/administration.tsx"));

export function App() {
  const path = usePath();
  const [who, setWho] = useState<SignedIn | null>();
  const [notice, setNotice] = useState("");

  const enter = useCallback((signedIn: SignedIn | null, said = "") => {
    keepCsrf(signedIn?.csrf ?? null);
    forgetWorklist();
    if (signedIn) {
      draftsAreOf(signedIn.name);
    }
    setNotice(said);
    setWho(signedIn);
  }, []);

  const leave = useCallback(
    (said: string) => {
      setWho(undefined); // no page is shown, and none asks any more
      whenSignedOut(() => {});
      clinic.signOut().then(
        () => enter(null, said),
        (problem: Error) =>
          enter(null, isSignedOut(problem) ? said : `Perhaps not signed out: ${problem.message}`),
      );
    },
    [enter],
  );

  useEffect(() => {
    clinic
      .whoIsSignedIn()
      .then(enter, (problem: Error) => enter(null, isSignedOut(problem) ? "" : problem.message));
  }, [enter]);

  useEffect(() => {
    if (!who) {
      return;
    }
    const unused = "You were signed out because nobody used the page.";
    whenSignedOut(() => enter(null, unused));
    return whenLeft(() => leave(unused));
  }, [who, enter, leave]);

  useEffect(() => {
    // A refusal may mean that nobody is signed in any more, which this finds out.
    return who ? listen(() => void clinic.whoIsSignedIn().catch(() => {})) : undefined;
  }, [who]);

  if (path === "/setup") {
    return <SetUp done={() => go("/")} />;
  }
  if (path === "/password") {
    return <ChoosePassword done={() => go("/")} />;
  }
  if (who === undefined) {
    return null;
  }
  if (who === null) {
    return <SignIn notice={notice} entered={enter} />;
  }
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <Header
        who={who}
        path={path}
        signOut={() => {
          forgetDrafts();
          leave("");
          go("/");
        }}
      />
      <Stale />
      <Failure key={path}>
        <Suspense fallback={<main id="main" aria-busy="true" />}>{page(path, who)}</Suspense>
      </Failure>
    </>
  );
}

function isSignedOut(problem: Error): boolean {
  return problem instanceof Problem && problem.status === 401;
}

function page(path: string, who: SignedIn): ReactNode {
  const study = path.match(/^\/studies\/([0-9a-f]{32})$/)?.[1];
  if (study !== undefined) {
    return <StudyPage key={study} id={study} who={who} />;
  }
  switch (path) {
    case "/":
      return <Worklist />;
    case "/upload":
      return <Upload />;
    case "/monitoring":
      return <Monitoring who={who} />;
    case "/account":
      return <AccountPage />;
    case "/administration":
      return <Administration who={who} />;
    default:
      return (
        <main id="main" className="narrow">
          <h1>There is no such page</h1>
          <Link href="/">To the worklist</Link>
        </main>
      );
  }
}
