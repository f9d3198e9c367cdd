// The service with a store of one's own. The log stays the embedded one; `log` would replace it in the same way.
import { loadConfig, startService } from 'footfall';
import { JournalStore } from './journal-store.ts';

const store = await JournalStore.open('./journal.jsonl');
const config = loadConfig({ ...process.env, DATABASE_URL: 'memory:', DATABASE_READ_URL: undefined });
const service = await startService(config, { store });
console.log(`Events are kept in journal.jsonl; send some to ${service.url}, stop with Ctrl+C`);

process.once('SIGINT', async () => {
  await service.stop();
  await store.close();
});
