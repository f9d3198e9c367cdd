// The last column of a table of values: a link that narrows the view to one of them.

export function NarrowHead() {
  return (
    <th scope="col">
      <span class="unseen">Narrow</span>
    </th>
  );
}

/** @param to what the view is narrowed to, in words; what it cannot be narrowed to has no address */
export function NarrowCell({ href, to }: { href?: string; to?: string }) {
  return (
    <td data-name="Narrow">
      {href === undefined ? (
        '–'
      ) : (
        <a href={href} aria-label={`Show only ${to}`}>
          Only
        </a>
      )}
    </td>
  );
}
