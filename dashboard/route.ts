import { signal } from '@preact/signals';

/** Where in this page we are: the parts of the address behind `#/`, and its parameters. */
interface Route {
  parts: string[];
  parameters: URLSearchParams;
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return { parts: path.split('/').map(decode), parameters: new URLSearchParams(query) };
}

/** A link that was cut off in a chat may end within an escape: then it is taken as it is. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}

export const route = signal<Route>(read());

/** Where each entry of the history was scrolled to, by a name it is given. */
const scrolled = new Map<string, number>();
let entries = 0;
/** Whether the reader has come back to this place, or forward to it. */
export let isReturn = false;
let entry = nameEntry();
history.scrollRestoration = 'manual';

function nameEntry(): string {
  const known = (history.state as { entry?: string } | null)?.entry;
  isReturn = known !== undefined;
  if (known !== undefined) return known;
  const name = `${performance.timeOrigin}-${entries++}`;
  history.replaceState({ entry: name }, '');
  return name;
}

/** Where we scrolled to for a reader who came back; undefined once they have moved on from there. */
let held: number | undefined;

addEventListener(
  'scroll',
  () => {
    if (scrollY === held) return;
    held = undefined;
    scrolled.set(entry, scrollY);
  },
  { passive: true },
);
addEventListener('hashchange', () => {
  entry = nameEntry();
  route.value = read();
});

/**
 * Scrolls to where this place was left, or to the top of a new one. Much of a view arrives after it is
 * first drawn, above the place as well as below, so it is scrolled to again until the reader moves.
 *
 * @returns ends that
 */
export function scrollToPlace(): () => void {
  const left = scrolled.get(entry) ?? 0;
  const scroll = () => {
    scrollTo(0, left);
    held = scrollY;
  };
  scroll();
  const observer = new ResizeObserver(() => held !== undefined && scroll());
  if (left > 0) observer.observe(document.body);
  return () => observer.disconnect();
}

export const toEvent = (eventId: string) => `#/events/${encodeURIComponent(eventId)}`;
export const toUser = (userId: string) => `#/users/${encodeURIComponent(userId)}`;
export const toType = (name: string) => `#/types/${encodeURIComponent(name)}`;
export const toDeadLetter = (id: string) => `#/dead-letters/${encodeURIComponent(id)}`;

/** @param process which keeps it: ids begin again with each */
export const toRejected = (id: string, process: string) =>
  `#/rejected/${id}?${new URLSearchParams({ process })}`;

/** Goes to a view with parameters; those that are empty are left out. */
export function goTo(path: string, parameters: Iterable<[name: string, value: string]>): void {
  const filled = [...parameters].filter(([, value]) => value !== '');
  const query = new URLSearchParams(filled).toString();
  location.hash = query === '' ? `#/${path}` : `#/${path}?${query}`;
}
