import { useState } from "react";

/** Return the error of the last action, and a function that runs an action and then calls `done`. */
export function useAction(done: () => void): [string, (action: () => Promise<unknown>) => void] {
  const [error, setError] = useState("");
  const run = (action: () => Promise<unknown>) => {
    action().then(
      () => {
        setError("");
        done();
      },
      (problem: Error) => setError(problem.message),
    );
  };
  return [error, run];
}
