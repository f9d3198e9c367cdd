// The command `check`: whether the service could start and work, without starting it.
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { type SettingInForce, settingsInForce } from '../config/settings-in-force.ts';
import { type Check, inspectDependencies, inspectSettings } from '../doctor/inspection.ts';
import { type Context, FAILED, MISUSED } from './context.ts';

/** Only where the settings are right: otherwise it prints the same problems. */
const HINT = ' Settings in force: footfall check --print';

interface Report {
  ok: boolean;
  checks: Check[];
  /** Names that may be mistakes. */
  warnings: string[];
}

export function addCheck(program: Command, context: Context): void {
  program
    .command('check')
    .description('check the settings and everything they name, without starting the service')
    .option('--print', 'show the settings in force, and where each comes from')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Reads the API keys, the certificate and the event catalog, and asks Kafka and PostgreSQL for what the service will need:
topics, tables, rights. It changes nothing, and takes five seconds at most.

Exit codes: 0 all is well, 1 a dependency is not, 2 the settings are not.

Examples:
  footfall check
  footfall check --print
  footfall check --json | jq '.checks[] | select(.ok | not)'`,
    )
    .action(async ({ print, json }: { print?: boolean; json?: boolean }) => {
      context.exitCode = print
        ? printSettings(context, json ?? false)
        : await printReport(context, json ?? false);
    });
}

async function printReport({ env }: Context, asJson: boolean): Promise<number> {
  const report = await check(env);
  if (asJson) console.log(JSON.stringify(report, null, 2));
  else for (const line of reportLines(report)) console.log(line);
  if (report.ok) return 0;
  return report.checks[0]!.ok ? FAILED : MISUSED;
}

async function check(env: Context['env']): Promise<Report> {
  const { config, check: settings } = await inspectSettings(env);
  if (config === undefined) return { ok: false, checks: [settings], warnings: [] };
  const { log, store } = await inspectDependencies(config);
  return { ok: log.ok && store.ok, checks: [settings, log, store], warnings: config.warnings };
}

function reportLines({ ok, checks, warnings }: Report): string[] {
  const lines = checks.flatMap((one) =>
    one.detail.split('\n').map((detail) => {
      const verdict = one.ok ? styleText('green', 'ok  ') : styleText('red', 'FAIL');
      return `${verdict}  ${one.name.padEnd(8)}  ${detail}`;
    }),
  );
  const doubts = warnings.map((warning) => `${styleText('yellow', 'warn')}  settings  ${warning}`);
  const next = ok ? [] : ['', `docs/troubleshooting.md says what to do.${checks[0]!.ok ? HINT : ''}`];
  return [...lines, ...doubts, ...next];
}

function printSettings({ env }: Context, asJson: boolean): number {
  const settings = settingsInForce(env);
  if (asJson) {
    console.log(JSON.stringify(settings, null, 2));
    return 0;
  }
  const width = Math.max(...settings.map(({ name }) => name.length));
  for (const setting of settings) {
    const line = `${setting.name.padEnd(width)}  ${setting.source.padEnd(11)}  ${shown(setting)}`.trimEnd();
    console.log(setting.source === 'default' || setting.source === 'not set' ? styleText('dim', line) : line);
  }
  return 0;
}

function shown({ value, isSecret, source }: SettingInForce): string {
  if (isSecret && source !== 'not set') return '(secret, not shown)';
  return value === null ? '' : String(value);
}
