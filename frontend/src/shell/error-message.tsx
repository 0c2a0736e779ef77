interface Props {
  /** What is wrong and what to do; nothing is shown without it. */
  error: string;
  className?: string;
}

/** An error, which screen readers announce. */
export function ErrorMessage({ error, className = "" }: Props) {
  return (
    error && (
      <p role="alert" className={`problem ${className}`}>
        {error}
      </p>
    )
  );
}
