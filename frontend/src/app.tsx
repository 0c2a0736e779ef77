// The session, and the page for the current address.

import { lazy, type ReactNode, Suspense, useCallback, useEffect, useState } from "react";
import { ApiError, allAnswered, api, onSignedOut, setCsrfToken, unwrap } from "./api/client.ts";
import { receiveEvents } from "./api/live-updates.ts";
import type { Session } from "./api/schema.d.ts";
import { pageAt, ROUTES, studyAt } from "./routes.ts";
import { ErrorBoundary } from "./shell/error-boundary.tsx";
import { Header } from "./shell/header.tsx";
import { watchIdle } from "./shell/idle.ts";
import { LiveUpdateNotice } from "./shell/live-update-notice.tsx";
import { Link, navigate, usePath } from "./shell/router.tsx";
import { ChoosePassword } from "./sign-in/choose-password.tsx";
import { FirstStart } from "./sign-in/first-start.tsx";
import { SignIn } from "./sign-in/sign-in.tsx";
import { forgetDrafts, setDraftAuthor } from "./study/drafts.ts";
import { forgetNavigation } from "./worklist/navigation.ts";
import { Worklist } from "./worklist/worklist.tsx";

const StudyPage = lazy(() => import("./study/study.tsx"));
const Upload = lazy(() => import("./upload/upload.tsx"));
const Monitoring = lazy(() => import("./monitoring/monitoring.tsx"));
const AccountPage = lazy(() => import("./account/account.tsx"));
const Administration = lazy(() => import("./administration/administration.tsx"));

const IDLE_NOTICE = "You were signed out because the page was not used for 15 minutes.";
const ENDED_NOTICE = "Your session has ended. Sign in again to continue."; // the server says no more

const getSession = () => unwrap(api.GET("/v1/session"));

async function deleteSession() {
  await new Promise((resolve) => setTimeout(resolve)); // the page that is closed says so
  await allAnswered(); // later answers would report that nobody is signed in
  await api.DELETE("/v1/session");
}

export function App() {
  const path = usePath();
  /** Null if nobody is signed in; undefined until that is known. */
  const [session, setSession] = useState<Session | null>();
  const [notice, setNotice] = useState("");

  const enter = useCallback((session: Session | null, notice = "") => {
    setCsrfToken(session?.csrf ?? null);
    forgetNavigation();
    if (session) {
      setDraftAuthor(session.name);
    }
    setNotice(notice);
    setSession(session);
  }, []);

  const signOut = useCallback(
    (notice: string) => {
      setSession(undefined); // removes the page, so that it sends no more requests
      onSignedOut(() => {});
      deleteSession().then(
        () => enter(null, notice),
        (error: Error) =>
          enter(
            null,
            isSignedOut(error)
              ? notice
              : `You may still be signed in, for signing out failed: ${error.message}`,
          ),
      );
    },
    [enter],
  );

  useEffect(() => {
    getSession().then(enter, (error: Error) =>
      enter(null, isSignedOut(error) ? "" : error.message),
    );
  }, [enter]);

  useEffect(() => {
    if (!session) {
      return;
    }
    onSignedOut(() => enter(null, ENDED_NOTICE));
    return watchIdle(() => signOut(IDLE_NOTICE));
  }, [session, enter, signOut]);

  useEffect(() => {
    // After a refusal, getSession finds out whether anybody is still signed in.
    return session ? receiveEvents(() => void getSession().catch(() => {})) : undefined;
  }, [session]);

  if (path === ROUTES.firstStart) {
    return <FirstStart done={() => navigate(ROUTES.worklist)} />;
  }
  if (path === ROUTES.choosePassword) {
    return <ChoosePassword done={() => navigate(ROUTES.worklist)} />;
  }
  if (session === undefined) {
    return null;
  }
  if (session === null) {
    return <SignIn notice={notice} signedIn={enter} />;
  }
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <Header
        session={session}
        path={path}
        signOut={() => {
          forgetDrafts();
          signOut("");
          navigate(ROUTES.worklist);
        }}
      />
      <LiveUpdateNotice />
      <ErrorBoundary key={path}>
        <Suspense fallback={<main id="main" aria-busy="true" />}>{pageOf(path, session)}</Suspense>
      </ErrorBoundary>
    </>
  );
}

function isSignedOut(error: Error): boolean {
  return error instanceof ApiError && error.status === 401;
}

function pageOf(path: string, session: Session): ReactNode {
  switch (pageAt(path)) {
    case "worklist":
      return <Worklist />;
    case "study": {
      const id = studyAt(path) ?? "";
      return <StudyPage key={id} id={id} session={session} />;
    }
    case "upload":
      return <Upload />;
    case "monitoring":
      return <Monitoring session={session} />;
    case "account":
      return <AccountPage />;
    case "administration":
      return <Administration session={session} />;
    default:
      return (
        <main id="main" className="narrow">
          <h1>Page not found</h1>
          <Link href={ROUTES.worklist}>Back to the worklist</Link>
        </main>
      );
  }
}
