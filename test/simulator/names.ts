export const TOPIC = 'events';
export const GROUP = 'group';
