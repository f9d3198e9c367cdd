// The command `doctor`: what is wrong with a set-up or a running service, the cause first.
import { existsSync } from 'node:fs';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { withEnvFile } from '../config/config.ts';
import { writeBundle } from '../doctor/bundle.ts';
import { type Diagnosis, diagnose } from '../doctor/diagnosis.ts';
import { type Finding, statusOf } from '../doctor/finding.ts';
import { secretsIn, withoutSecrets } from '../doctor/redaction.ts';
import { escapeControls } from '../observability/escape-controls.ts';
import { type Context, FAILED, MISUSED } from './context.ts';
import { checkService, type ServiceOptions, withServiceOptions } from './service-client.ts';

type Options = ServiceOptions & { json?: boolean; bundle?: string };

export function addDoctor(program: Command, context: Context): void {
  const doctor = program
    .command('doctor')
    .description('find out what is wrong with a set-up or a running service, and what to do');
  withServiceOptions(doctor, context)
    .option('--json', 'print JSON')
    .option('--bundle <file>', 'also write what a maintainer asks for into a new file, without secrets')
    .addHelpText(
      'after',
      `
The first line names the cause, the second the next step; what follows from it comes later. It reads the settings, asks
Kafka, PostgreSQL and the disk, and a running service if one answers. It changes nothing, and takes less than ten seconds.

Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 2 the command or the settings are.

Examples:
  footfall doctor
  footfall doctor --url http://10.0.0.5:3000 --key "$KEY"
  footfall doctor --json | jq -r '.findings[0].code'
  footfall doctor --bundle support.json`,
    )
    .action(async (options: Options, command: Command) => {
      // An address that nobody gave is that of the settings, where perhaps nothing runs yet.
      const isExpected = command.getOptionValueSource('url') === 'cli' || Boolean(context.env.FOOTFALL_URL);
      context.exitCode = await run(options, context, isExpected);
    });
}

async function run(
  { url, key, json, bundle }: Options,
  { env }: Context,
  isExpected: boolean,
): Promise<number> {
  const given = withEnvFile(env);
  const secrets = secretsIn({ ...given, FOOTFALL_KEY: key ?? given.FOOTFALL_KEY });
  const misuse = misuseOf({ url, ...(key && { key }) }, bundle, isExpected);
  if (misuse !== undefined) {
    console.error(styleText('red', misuse, { stream: process.stderr }));
    return MISUSED;
  }
  const diagnosis = await diagnose({ env, service: { url, key }, isExpected });
  const shown = withoutSecrets(diagnosis, secrets);
  const { findings } = shown;
  const status = statusOf(diagnosis.findings);
  if (json) console.log(JSON.stringify({ status, findings }, null, 2));
  else for (const line of reportLines(shown)) console.log(line);
  if (bundle !== undefined) {
    await writeBundle(bundle, diagnosis, { env, secrets });
    console.error(`Written to ${bundle}. Look through it before you send it.`);
  }
  if (!diagnosis.areSettingsRight) return MISUSED;
  return status === 'error' ? FAILED : 0;
}

function misuseOf(
  service: ServiceOptions,
  bundle: string | undefined,
  isExpected: boolean,
): string | undefined {
  if (bundle !== undefined && existsSync(bundle)) return `${bundle} exists: give --bundle a new file.`;
  try {
    // One that comes from settings is looked at with them.
    if (isExpected) checkService(service);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function reportLines({ findings, checks, url, certificate, service }: Diagnosis): string[] {
  const [first, ...others] = findings;
  const address = certificate === undefined ? url : `${url}, known by HTTPS_CERT_FILE,`;
  const known = [
    ...checks.filter(({ ok }) => ok).map(({ name, detail }) => `ok    ${name.padEnd(8)}  ${detail}`),
    service.state === 'answers' ? `ok    service   ${address} is ${service.readiness.status}` : '',
    service.state === 'absent' ? `      service   nothing answers on ${url}` : '',
  ].filter((line) => line !== '');
  if (first === undefined) return ['ok    Nothing is wrong.', '', ...known];
  const more = others.flatMap((finding) => ['', ...linesOf(finding)]);
  return [...linesOf(first), ...more, '', ...known].map(escapeControls);
}

function linesOf({ severity, cause, next }: Finding): string[] {
  const verdict = severity === 'error' ? 'FAIL' : 'warn';
  return [`${verdict}  ${cause}`, `next  ${next}`];
}
