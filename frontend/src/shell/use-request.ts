import { type DependencyList, useCallback, useEffect, useState } from "react";

export interface Answer<T> {
  value: T | undefined;
  error: string;
  reload: () => void;
}

/**
 * Request something when the component appears and whenever a dependency changes.
 *
 * Of two requests that are pending, the later counts.
 */
export function useRequest<T>(
  request: () => Promise<T>,
  dependencies: DependencyList = [],
): Answer<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState("");
  const [repeats, setRepeats] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caller's dependencies are checked (biome.json)
  useEffect(() => {
    let outdated = false;
    request().then(
      (answer) => {
        if (!outdated) {
          setValue(answer);
          setError("");
        }
      },
      (problem: Error) => !outdated && setError(problem.message),
    );
    return () => {
      outdated = true;
    };
  }, [...dependencies, repeats]);
  const reload = useCallback(() => setRepeats((count) => count + 1), []);
  return { value, error, reload };
}
