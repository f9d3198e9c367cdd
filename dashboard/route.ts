import { signal } from '@preact/signals';

/** Where in this page we are: the parts of the address behind `#/`, and its parameters. */
export interface Route {
  parts: string[];
  parameters: URLSearchParams;
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return { parts: path.split('/').map(decodeURIComponent), parameters: new URLSearchParams(query) };
}

export const route = signal<Route>(read());
addEventListener('hashchange', () => {
  route.value = read();
});

export const toEvent = (eventId: string) => `#/events/${encodeURIComponent(eventId)}`;
export const toUser = (userId: string) => `#/users/${encodeURIComponent(userId)}`;
export const toDeadLetter = (id: string) => `#/dead-letters/${encodeURIComponent(id)}`;
