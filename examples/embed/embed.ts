// Footfall inside a program: no other process, and nothing to install beside the package.
import { loadConfig, startService } from 'footfall';

const config = loadConfig({ PORT: '0', DATA_DIR: './data', LOG_LEVEL: 'warn' });
const service = await startService(config);

const event = { userId: 'user-123', eventType: 'LOGIN', payload: { device: 'phone' } };
const answer = await fetch(`${service.url}/events/generate?ack=stored`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(event),
});
console.log(answer.status, await answer.text());

const timeline = await fetch(`${service.url}/events/processed?userId=user-123`);
console.log(await timeline.text());

await service.stop();
