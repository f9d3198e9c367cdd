// Services in one process, so that what is measured of them has the same heap and the same compiled code. Told what to do over
// HTTP: POST /start with settings, answered with where the service is; POST /stop with that.
import { text } from 'node:stream/consumers';
import { loadConfig } from '../src/config/config.ts';
import { type Service, startService } from '../src/service.ts';
import { serve } from './bare.ts';
import { silent } from './ground.ts';

const services = new Map<string, Service>();

serve(async (request, response) => {
  const body = await text(request);
  if (request.url === '/start') {
    const settings = { LOG_EVERY_NTH_EVENT: '0', PORT: '0', ...(JSON.parse(body) as Record<string, string>) };
    const service = await startService(loadConfig(settings), { logger: silent });
    services.set(service.url, service);
    response.end(service.url);
  } else {
    await services.get(body)!.stop();
    services.delete(body);
    response.end();
  }
});

process.once('SIGTERM', () => process.exit());
