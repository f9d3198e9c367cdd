interface MoreProps {
  more: (() => void) | undefined;
  isLoading: boolean;
}

/** Loads the next page. It is never disabled: that would take the focus from whoever pressed it. */
export function More({ more, isLoading }: MoreProps) {
  if (more === undefined) return null;
  return (
    <button type="button" aria-disabled={isLoading} onClick={more}>
      {isLoading ? 'Loading…' : 'Load more'}
    </button>
  );
}
