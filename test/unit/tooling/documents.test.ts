import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { generatedDocuments } from '../../../scripts/generated-documents.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { describeSettings } from '../../../src/config/setting-descriptions.ts';

const pages = [...globSync('*.md'), ...globSync('docs/**/*.md')];

describe('the documents', () => {
  it.each(Object.entries(generatedDocuments()))(
    '%s says what the code does (npm run docs writes it)',
    (path, text) => {
      expect(readFileSync(path, 'utf8')).toBe(text);
    },
  );

  it.each(pages)('%s links only to what exists', (page) => {
    const links = [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      (found) => found[1]!,
    );
    expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([]);
  });

  it('name only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/npm run ([a-z:]+)/g)].map((found) => found[1]!),
    );
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });
});

describe('the compose files', () => {
  const known = new Set(describeSettings().map(({ name }) => name));

  it.each(['docker-compose.yml', 'docker-compose.zookeeper.yml'])(
    '%s starts the service with settings it accepts',
    (path) => {
      const { services } = parse(readFileSync(path, 'utf8')) as {
        services: Record<string, { environment?: Record<string, string>; image?: string }>;
      };
      const environment = Object.fromEntries(
        Object.entries(services['app-service']!.environment ?? {}).map(([name, value]) => [
          name,
          String(value),
        ]),
      );
      expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([]);
      const config = loadConfig(environment);
      expect(config.brokers).toEqual(['kafka:29092']);
      expect(config.store.kind).toBe('postgres');
      expect(config.HOST).toBe('0.0.0.0');
    },
  );
});
