import { useCallback, useEffect, useState } from "react";

export interface Loaded<T> {
  value: T | undefined;
  error: string;
  reload: () => void;
}

/** What a request gives, and what went wrong; of two that are under way the later counts. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState("");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let late = false;
    load().then(
      (found) => {
        if (!late) {
          setValue(found);
          setError("");
        }
      },
      (problem: Error) => !late && setError(problem.message),
    );
    return () => {
      late = true;
    };
  }, [load, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { value, error, reload };
}
