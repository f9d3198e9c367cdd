export const users = JSON.parse(process.env.USERS);
export const topic = process.env.KAFKA_TOPIC;
export const events = users.map((userId, number) => ({
  eventId: `0198c0de-0000-7000-8000-${String(number).padStart(12, '0')}`,
  userId,
  eventType: 'LOGOUT',
  timestamp: new Date().toISOString(),
  payload: { city: 'Köln' },
}));
