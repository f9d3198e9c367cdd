/** What does not work, said where it was to be. */
export function Problem({ text }: { text: string | undefined }) {
  return <div role="alert">{text !== undefined && <p class="problem">{text}</p>}</div>;
}
