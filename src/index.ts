// What other programs import: `import { loadConfig, startService } from 'footfall'`.
export type { Clock } from './clock.ts';
export { type Config, ConfigError, loadConfig } from './config/config.ts';
export * from './log/event-log.ts';
export type { Landmark } from './log/landmarks.ts';
export { createLogger, type Logger } from './observability/logger.ts';
export { type Service, type ServiceOptions, startService } from './service.ts';
export * from './store/event-store.ts';
export { MemoryStore } from './store/memory/memory-store.ts';
