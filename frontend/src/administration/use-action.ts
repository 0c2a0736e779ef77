import { useState } from "react";

/** Do what a person asks for, and keep what went wrong to be shown. */
export function useAction(done: () => void): [string, (action: () => Promise<unknown>) => void] {
  const [error, setError] = useState("");
  const act = (action: () => Promise<unknown>) => {
    action().then(
      () => {
        setError("");
        done();
      },
      (problem: Error) => setError(problem.message),
    );
  };
  return [error, act];
}
